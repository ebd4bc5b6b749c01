"""Lists of a run's selections."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from selector_api.core.config import EveryOutcomes
from selector_api.store import selections
from selector_api.store.codec import Drop
from selector_api.store.keys import run_keys
from selector_api.store.selections import Listed, Status
from selector_api.store.store import Store
from tests.store.helpers import RUN, end_lease, make_run, notice_ended_leases, report, select

pytestmark = pytest.mark.anyio


async def listed(store: Store, status: Status | None = None) -> list[Listed]:
    found, more = await store.selections.page(RUN, status, 0, 100)
    assert not more
    return found


async def test_each_is_told_with_what_became_of_it(store: Store) -> None:
    await make_run(store, 20)
    opened = await select(store, 2, key="a")
    committed, released = await select(store, 3), await select(store, 1)
    await report(store, committed, committed.tasks[:2])
    await store.logs.report(RUN, committed.selection, [Drop(committed.tasks[2], "timeout")])
    await store.logs.release(RUN, released.selection)
    first, second, third = await listed(store)
    assert (first.id, first.status, first.reported, first.event["key"]) == (opened.selection, "open", 0, "a")
    assert (second.id, second.status, second.reported) == (committed.selection, "committed", 2)
    assert (third.id, third.status, third.reported) == (released.selection, "released", 0)
    assert second.event["tasks"] == committed.tasks
    for each in (first, second, third):
        (alone,) = await listed(store, each.status)
        assert alone == each


async def test_pages_hold_each_once(store: Store) -> None:
    await make_run(store, 10)
    made = [(await select(store, 2)).selection for _ in range(5)]
    after, seen, more = 0, list[str](), True
    while more:
        found, more = await store.selections.page(RUN, None, after, 2)
        seen += [each.id for each in found]
        after = found[-1].seq
    assert seen == made
    assert await store.selections.page(RUN, "committed", 0, 2) == ([], False)


async def test_for_open_ones_no_others_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await make_run(store, 20, commit=EveryOutcomes(5))
    closed, ending, opened = [await select(store, 1, key=key) for key in ("closed", "ending", "open")]
    await store.logs.release(RUN, closed.selection)
    await report(store, ending, ending.tasks)
    read: list[str] = []
    execute = store.redis.execute_command

    async def executed(*args: Any, **options: Any) -> Any:
        read.append(args[0])
        assert args[0] != "HMGET" or closed.selection.encode() not in args
        return await execute(*args, **options)

    monkeypatch.setattr(store.redis, "execute_command", executed)
    assert [each.id for each in await listed(store, "open")] == [ending.selection, opened.selection]
    assert "HGETALL" not in read
    await store.logs.release(RUN, opened.selection)
    await store.logs.release(RUN, ending.selection)
    assert await listed(store, "open") == []


async def test_records_are_looked_through_beside_the_loop(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be a hundred thousand."""
    await make_run(store)
    selection, places = await select(store, 1), set[str]()
    parsed = selections._parsed

    def parsed_somewhere(id_: bytes, record: bytes) -> Any:
        places.add(threading.current_thread().name)
        return parsed(id_, record)

    monkeypatch.setattr(selections, "_parsed", parsed_somewhere)
    for status in ("open", None):
        assert [each.id for each in await listed(store, status)] == [selection.selection]
    assert places
    assert all(place.startswith("bots-worker") for place in places)


async def test_an_open_lease_ends_when_it_was_renewed_to_a_closed_one_when_it_was_made_to(
    store: Store,
) -> None:
    await make_run(store)
    selection = await select(store, 2)
    lease = await store.logs.renew(RUN, selection.selection, 9_000_000)
    assert lease.expires_at != selection.expires_at
    assert [each.expires_at for each in await listed(store)] == [lease.expires_at]
    await store.logs.release(RUN, selection.selection)
    assert [each.expires_at for each in await listed(store)] == [selection.expires_at]


async def test_what_waits_for_a_commit_is_reported_and_not_committed(store: Store) -> None:
    """As the answer to a key says it."""
    await make_run(store, commit=EveryOutcomes(3))
    ending, late = await select(store, 1, key="ending"), await select(store, 1, key="late")
    await select(store, 1, key="held")  # whose lease's end what comes late waits for
    await report(store, ending, ending.tasks)
    open_ones = [("open", 1), ("open", 0), ("open", 0)]
    assert [(each.status, each.reported) for each in await listed(store)] == open_ones
    await end_lease(store, late)
    await notice_ended_leases(store)  # which commits what waits
    await report(store, late, late.tasks)
    told = [("committed", 1), ("released", 1)]
    assert [(each.status, each.reported) for each in await listed(store)] == [*told, ("open", 0)]
    live_run = await store.live_runs.of(RUN)
    assert [(await live_run.select(1, key)).event["status"] for key in ("ending", "late")] == [
        status for status, _ in told
    ]


async def test_selections_that_0_2_wrote_and_those_whose_event_is_lost(store: Store) -> None:
    await make_run(store)
    made = [await select(store, 1) for _ in range(4)]
    records = ("2:open:0", "3:closed:0", "4:complete:1", "99:open:0")
    for selection, record in zip(made, records, strict=True):
        await store.redis.execute_command("HSET", run_keys(RUN).selections, selection.selection, record)
    told = [("open", 0), ("released", 0), ("committed", 1)]
    assert [(each.status, each.reported) for each in await listed(store)] == told
