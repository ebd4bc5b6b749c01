"""Redis' clock goes back, and many leases end at once."""

from __future__ import annotations

import json

import pytest

from selector_api.store.keys import run_keys
from selector_api.store.log_parts import Bookmark
from selector_api.store.store import Store
from tests.store.helpers import (
    HOUR,
    RUN,
    end_lease,
    make_run,
    notice_ended_leases,
    outcomes,
    put_back,
    read_events,
    read_types,
    report,
    select,
)

pytestmark = pytest.mark.anyio


async def clock(store: Store) -> int:
    """Redis' time in Unix ms."""
    seconds, micros = await store.redis.time()
    return seconds * 1000 + micros // 1000


async def test_a_short_lease_does_not_last_for_the_time_that_the_clock_went_back(store: Store) -> None:
    await make_run(store, lease_seconds=0.005)
    selection = await select(store)
    await put_back(store)
    began = await clock(store)
    while (await read_types(store))[-1] != "released":
        await notice_ended_leases(store)
        assert await clock(store) < began + HOUR / 60, "the lease lasts"
    assert selection.selection == (await read_events(store))[-1]["selection"]


async def test_time_in_a_log_never_goes_back_and_follows_the_clock_once_that_has_caught_up(
    store: Store,
) -> None:
    await make_run(store, tasks=40)
    first = await select(store)
    await put_back(store)
    for _ in range(3):
        selection = await select(store)
        await report(store, selection, selection.tasks)
    await report(store, first, first.tasks)
    events = await read_events(store)
    times = [event["at"] for event in events]
    assert times == sorted(times)
    assert times[0] > await clock(store) + HOUR / 2

    keys = run_keys(RUN)
    for place, event in enumerate(events):  # the clock is right again
        line = json.dumps({**event, "at": event["at"] - HOUR}, separators=(",", ":"))
        await store.redis.execute_command("LSET", keys.log, place, line)
    began = await clock(store)
    await store.logs.report_unsolicited(RUN, "key", outcomes(["t0"]))
    assert began <= (await read_events(store))[-1]["at"] <= await clock(store)
    assert await store.redis.hget(keys.meta, "ahead") == b"0"


async def test_of_many_leases_that_end_at_once_a_call_closes_200_and_a_select_waits_for_all(
    store: Store,
) -> None:
    await make_run(store, tasks=230)
    for selection in [await select(store, batch_size=1) for _ in range(230)]:
        await end_lease(store, selection)
    stretch = await store.logs.read(await store.runs.find(RUN), Bookmark(0))
    assert stretch is not None
    assert stretch.more_due
    assert (await read_types(store)).count("released") == 200
    assert len((await select(store, batch_size=230)).tasks) == 230
    assert (await read_types(store)).count("released") == 230
