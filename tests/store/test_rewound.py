"""What Redis loses is said: in the process's log, in the run's own log, and so by every process."""

from __future__ import annotations

import logging

import pytest

from selector_api.core.status import RunStatus
from selector_api.store.connection import StoreClient
from selector_api.store.store import Store
from tests.store.dumps import dump, fall_back
from tests.store.helpers import RUN, make_run, read_types, report, select

pytestmark = pytest.mark.anyio


async def step(store: Store) -> None:
    selection = await select(store)
    await report(store, selection, selection.tasks)


async def status(store: Store) -> RunStatus:
    return await (await store.live_runs.of(RUN)).read(lambda state: RunStatus.of(RUN, state))


async def test_a_store_that_went_back_is_noticed_once_and_told_by_all(
    store: Store, other_store: Store, redis: StoreClient, caplog: pytest.LogCaptureFixture
) -> None:
    await make_run(store)
    await step(store)
    kept = await dump(redis)
    await step(store)
    await step(store)
    assert (await status(other_store)).step == 3
    assert (await status(store)).rewound is None
    await fall_back(redis, kept)

    with caplog.at_level(logging.WARNING):
        seen = [await status(store), await status(other_store), await status(store)]
    assert [one.step for one in seen] == [1, 1, 1]
    for one in seen:
        assert one.rewound is not None
        assert (one.rewound.times, one.rewound.known, one.rewound.found) == (1, 7, 3)
        assert any("7 were known" in warning for warning in one.warnings)
    (line,) = [record.getMessage() for record in caplog.records if RUN in record.getMessage()]
    assert "7 were known" in line
    assert "3 are left" in line
    await step(store)
    assert (await read_types(store))[3:] == ["rewound", "selected", "committed"]
    assert (await status(other_store)).step == 2
