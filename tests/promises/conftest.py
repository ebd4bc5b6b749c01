from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.promises.pair import Pair


@pytest.fixture(scope="package")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two API processes on one Valkey, shared: each test has runs of its own, and leaves both serving.

    They write snapshots often, so that most of what is read after a restart is a snapshot and a tail.
    """
    pair = Pair(tmp_path_factory.mktemp("pair"), {"SELECTOR_SNAPSHOT_EVERY": "7"})
    pair.start()
    yield pair
    pair.stop()
