from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.kinds import Kind, Servers, servers_of
from tests.promises.pair import Pair


@pytest.fixture(scope="session")
def servers(redis_kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers | None]:
    """What stands for the Valkey; other tests do not crash it."""
    with servers_of(redis_kind, tmp_path_factory.mktemp("servers")) as made:
        yield made


@pytest.fixture(scope="package")
def pair(servers: Servers | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two API processes on one Valkey, shared: each test has runs of its own, and leaves both serving."""
    pair = Pair(tmp_path_factory.mktemp("pair"), servers)
    pair.start()
    yield pair
    pair.stop()
