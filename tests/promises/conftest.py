from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.promises.pair import Pair


@pytest.fixture(scope="package")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two API processes on one Valkey, shared: each test has runs of its own, and leaves both serving."""
    pair = Pair(tmp_path_factory.mktemp("pair"))
    pair.start()
    yield pair
    pair.stop()
