import asyncio
import logging
import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from selector_api.core import snapshot
from selector_api.core.config import RunConfig
from selector_api.core.policies import Random
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.core.select import TooFewTasks
from selector_api.core.select import select as draw
from selector_api.core.snapshot import Header
from selector_api.core.state import RunState
from selector_api.core.times import rfc3339
from selector_api.store import drawing
from selector_api.store import live_run as live_run_module
from selector_api.store.drawing import Wanted
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.errors import Overloaded, UnreadableData
from selector_api.store.keys import run_keys
from selector_api.store.refusals import KeyConflict, NotExplained, UnknownRun
from selector_api.store.store import Store, open_store
from selector_api.store.threads import Threads
from tests.core.runs import fold_all
from tests.store.helpers import (
    POOL,
    RUN,
    before_script,
    end_lease,
    make_run,
    outcomes,
    read_events,
    read_types,
    report,
    select,
    task_rows,
)

pytestmark = pytest.mark.anyio


def contents(state: RunState) -> tuple[Header, dict[str, tuple]]:
    """Everything in a state, so that == compares bit for bit."""
    header, arrays = snapshot.taken(state)
    return header, {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}


async def read(store: Store) -> tuple[Header, dict[str, tuple]]:
    return await (await store.live_runs.of(RUN)).read(contents)


async def folded_from_the_start(store: Store) -> tuple[Header, dict[str, tuple]]:
    return contents(fold_all(await read_events(store), await store.pools.table(POOL)))


async def train(store: Store, steps: int) -> None:
    """Steps that end in every way a selection can."""
    for step in range(steps):
        selection = await select(store)
        await report(store, selection, selection.tasks[: step % 5], successes=step % 3, final=True)
        if step % 7 == 0:
            await report(store, selection, selection.tasks)


# --- selecting ---


async def test_a_selection_is_what_its_event_says(store: Store) -> None:
    await make_run(store, seed=5)
    selection = await select(store, 4, key="step 1")
    event = (await read_events(store))[-1]
    assert selection.tasks == event["tasks"]
    assert len(set(selection.tasks)) == 4
    assert (selection.step, selection.replayed, selection.explain) == (0, False, None)
    assert selection.expires_at == event["expires_at"]
    assert (event["selection"], event["number"], event["key"]) == (selection.selection, 1, "step 1")
    assert (event["step"], event["batch_size"]) == (0, 4)
    assert re.fullmatch("s1-[0-9a-f]{8}", selection.selection)


async def test_a_key_gives_its_selection_again_also_elsewhere_and_after_restarts(
    valkey: EmbeddedValkey, store: Store, other_store: Store
) -> None:
    await make_run(store)
    first = await select(store, key="k")
    assert not first.replayed
    await report(store, first, first.tasks)
    async with open_store(valkey.url) as restarted:
        for one in (store, other_store, restarted):
            again = await select(one, key="k")
            assert again.replayed
            assert (again.selection, again.tasks) == (first.selection, first.tasks)
            assert (again.step, again.expires_at) == (first.step, first.expires_at)
    assert (await read_types(store)).count("selected") == 1


async def test_all_ranks_of_a_job_get_one_selection(store: Store, other_store: Store) -> None:
    await make_run(store)
    selections = await asyncio.gather(*(select(one, key="k") for one in [store, other_store] * 8))
    assert len({selection.selection for selection in selections}) == 1
    assert len({tuple(selection.tasks) for selection in selections}) == 1
    assert [selection.replayed for selection in selections].count(False) == 1
    assert await read_types(store) == ["created", "selected"]


async def test_without_a_key_every_call_is_a_new_selection(store: Store) -> None:
    await make_run(store)
    selections = [await select(store, 2) for _ in range(3)]
    assert len({selection.selection for selection in selections}) == 3
    assert (await read_events(store))[-1]["key"] is None


async def test_a_key_with_another_batch_size_is_a_conflict(store: Store, other_store: Store) -> None:
    await make_run(store)
    await select(store, 4, key="k")
    for one in (store, other_store):
        with pytest.raises(KeyConflict) as caught:
            await select(one, 3, key="k")
        assert (caught.value.batch_size, caught.value.asked) == (4, "batch_size")
        with pytest.raises(KeyConflict) as caught:
            await (await one.live_runs.of(RUN)).select(Wanted(informative=0.5), key="k")
        assert (caught.value.batch_size, caught.value.asked) == (4, "informative")
    assert await read_types(store) == ["created", "selected"]


async def test_a_key_whose_selection_is_committed_meanwhile_is_not_given_another(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had been released, so that another batch could have its key; then a late outcome came."""
    await make_run(store)
    first = await select(store, 2, key="key")
    await store.logs.release(RUN, first.selection)

    async def a_late_outcome() -> None:
        await report(other_store, first, first.tasks)

    before_script(monkeypatch, "select", a_late_outcome)
    with pytest.raises(KeyConflict):
        await select(store, 3, key="key")
    assert (await select(store, 2, key="key")).selection == first.selection


async def test_callers_at_the_same_time_never_lease_a_task_twice(store: Store, other_store: Store) -> None:
    await make_run(store, tasks=40)
    selections = await asyncio.gather(*(select(one, 4) for one in [store, other_store] * 5))
    tasks = [task for selection in selections for task in selection.tasks]
    assert len(set(tasks)) == len(tasks) == 40


async def test_a_selection_is_drawn_again_if_another_came_first(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_run(store, tasks=8)
    loop = asyncio.get_running_loop()
    others = []

    def draw_late(state: RunState, batch_size: int):
        choice = draw(state, batch_size)
        if not others:
            others.append(None)  # the other's own draw comes through here, too
            others[0] = asyncio.run_coroutine_threadsafe(select(other_store), loop).result()
        return choice

    monkeypatch.setattr(drawing, "select", draw_late)
    mine = await select(store)
    assert sorted(mine.tasks + others[0].tasks) == task_rows(8).ids.tolist()
    events = await read_events(store)
    assert [event["number"] for event in events[1:]] == [1, 2]


async def test_a_run_that_always_moves_on_is_overloaded(
    valkey: EmbeddedValkey, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_run(store)
    async with open_store(valkey.url, patience=0.0) as impatient:

        async def moved(*_: object) -> None:
            return None

        monkeypatch.setattr(impatient.logs, "append_selection", moved)
        with pytest.raises(Overloaded):
            await select(impatient)


async def test_a_batch_that_is_too_large_says_how_many_could_be_and_leases_nothing(store: Store) -> None:
    await make_run(store, tasks=10)
    await select(store, 4)
    with pytest.raises(TooFewTasks) as caught:
        await select(store, 7, key="k")
    assert caught.value.available == 6
    assert await read_types(store) == ["created", "selected"]
    assert len((await select(store, 6, key="k")).tasks) == 6


async def test_a_batch_that_is_too_large_says_when_renewed_leases_really_end(
    store: Store, other_store: Store
) -> None:
    await make_run(store, tasks=10, lease_seconds=30)
    first, second = await select(store, 4), await select(store, 4)
    for other, renewed in ((second, first), (first, second)):
        lease = await other_store.logs.renew(RUN, renewed.selection, 3_600_000)
        ends = await store.runs.lease_ends(RUN)
        assert ends[renewed.selection] == lease.expires_at
        with pytest.raises(TooFewTasks) as caught:
            await select(store, 5)
        assert caught.value.shortages[0].leased_until == ends[other.selection]
        assert f"8 are leased, the first until {rfc3339(ends[other.selection])}" in str(caught.value)
    with pytest.raises(TooFewTasks) as planned:
        await (await store.live_runs.of(RUN)).select(Wanted(informative=9.0, rollouts=8))
    assert planned.value.shortages[0].leased_until == ends[first.selection]
    assert rfc3339(ends[first.selection]) in planned.value.detail


async def test_leased_tasks_come_back_when_the_lease_ends_or_they_are_committed(store: Store) -> None:
    await make_run(store, tasks=4)
    first = await select(store, 4)
    with pytest.raises(TooFewTasks):
        await select(store, 4)
    await end_lease(store, first)
    second = await select(store, 4)
    assert sorted(second.tasks) == sorted(first.tasks)
    await report(store, second, second.tasks)
    assert (await select(store, 4)).step == 1


async def test_leased_tasks_may_be_shared(store: Store) -> None:
    await make_run(store, tasks=4, share_leased=True)
    assert sorted((await select(store, 4)).tasks) == sorted((await select(store, 4)).tasks)


async def test_an_explanation_tells_posterior_and_draw_of_each_task_also_when_replayed(store: Store) -> None:
    await make_run(store)
    first = await select(store, 4, key="k", explain=True)
    assert first.explain is not None
    assert [row["task"] for row in first.explain] == first.tasks
    assert all((row["alpha"], row["beta"]) == (1.0, 1.0) and 0 < row["draw"] < 1 for row in first.explain)
    assert (await select(store, 4, key="k", explain=True)).explain == first.explain
    assert (await select(store, 4, key="k")).explain is None


async def test_what_was_not_drawn_is_explained_as_null(store: Store) -> None:
    await make_run(store, policy=Random())
    selection = await select(store, 2, explain=True)
    assert [row["draw"] for row in selection.explain or []] == [None, None]


async def test_no_explanation_can_be_given_afterwards(store: Store) -> None:
    await make_run(store)
    await select(store, key="k")
    with pytest.raises(NotExplained):
        await select(store, key="k", explain=True)


# --- the state ---


async def test_every_process_has_the_fold_of_the_log_bit_for_bit(store: Store, other_store: Store) -> None:
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(20, "a", weak=0.1, strong=0.7))
    await store.pools.add_tasks(POOL, task_rows(20, "b", domain="b", weak=0.0, strong=1.0))
    await store.runs.create(RUN, RunConfig(POOL, posterior=Bots(implicit=Interpolation("weak", "strong"))))
    await train(store, 10)
    await store.pools.add_tasks(POOL, task_rows(9, "c", domain="c"))
    await store.logs.report_unsolicited(RUN, "k", outcomes(["c0", "a0"]))
    await train(other_store, 10)
    expected = await folded_from_the_start(store)
    assert expected[0]["size"] == 49
    assert await read(store) == await read(other_store) == expected


async def test_a_long_log_is_read_in_stretches(store: Store, other_store: Store) -> None:
    await make_run(store)
    await train(store, 110)
    assert len(await read_events(store)) > 220
    assert await read(other_store) == await folded_from_the_start(store)


async def test_a_snapshot_and_the_events_after_it_give_the_same_state_and_the_same_next_selection(
    valkey: EmbeddedValkey, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_run(store, tasks=30)
    async with open_store(valkey.url, snapshot_every=10) as saving:
        await train(saving, 8)
        await read(saving)
    snapshot = await store.snapshots.newest(RUN)
    assert snapshot is not None
    await train(store, 3)
    assert 10 <= snapshot.place.seq < len(await read_events(store))
    live = await read(store)

    async with open_store(valkey.url) as cold:
        read_log, asked_after = cold.logs.read, []

        async def noted(run, after, field=""):
            asked_after.append(after.seq)
            return await read_log(run, after, field)

        monkeypatch.setattr(cold.logs, "read", noted)
        assert await read(cold) == live == await folded_from_the_start(store)
        assert asked_after == [snapshot.place.seq]

        async def next_draw(one: Store) -> list[int]:
            return (await (await one.live_runs.of(RUN)).read(lambda state: draw(state, 5))).tasks.tolist()

        assert await next_draw(cold) == await next_draw(store)


@pytest.mark.parametrize("field", ["data", "incarnation"])
async def test_a_snapshot_that_cannot_be_used_is_passed_over(
    valkey: EmbeddedValkey, store: Store, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    await make_run(store)
    await train(store, 3)
    async with open_store(valkey.url, snapshot_every=1) as saving:
        await read(saving)
    assert await store.snapshots.newest(RUN) is not None
    await store.redis.hset(run_keys(RUN).snapshot, field, "damaged")
    async with open_store(valkey.url) as cold:
        with caplog.at_level(logging.WARNING):
            assert await read(cold) == await folded_from_the_start(store)
    assert ("folded from its first event" in caplog.text) == (field == "data")


async def test_a_snapshot_that_cannot_be_written_harms_nothing(
    valkey: EmbeddedValkey, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await make_run(store)
    async with open_store(valkey.url, snapshot_every=1) as saving:
        await store.redis.config_set("maxmemory", 1)
        try:
            with caplog.at_level(logging.WARNING):
                await read(saving)
                await saving.live_runs.close()
        finally:
            await store.redis.config_set("maxmemory", 0)
        assert "was not written" in caplog.text
        assert await read(saving) == await folded_from_the_start(store)


async def test_a_run_deleted_and_made_again_is_read_anew(store: Store, other_store: Store) -> None:
    await make_run(store, tasks=10)
    await train(other_store, 3)
    await store.runs.delete(RUN)
    with pytest.raises(UnknownRun):
        await read(other_store)
    await store.runs.create(RUN, RunConfig(POOL, seed=9))
    assert (await select(other_store, 4)).selection.startswith("s1-")
    await store.runs.delete(RUN)
    await store.runs.create(RUN, RunConfig(POOL, seed=10))
    assert (await read(other_store))[0]["config"]["seed"] == 10
    assert await read(other_store) == await folded_from_the_start(store)


async def test_a_copy_stays_as_it_is_while_the_run_moves_on(store: Store) -> None:
    await make_run(store)
    await train(store, 3)
    expected = await read(store)
    copy = await (await store.live_runs.of(RUN)).copy()
    await train(store, 3)
    assert await read(store) != expected
    assert contents(copy) == expected


async def test_tasks_added_elsewhere_can_be_drawn(store: Store, other_store: Store) -> None:
    await make_run(store, tasks=4)
    await select(store, 4)
    await other_store.pools.add_tasks(POOL, task_rows(4, "new"))
    assert sorted((await select(store, 4)).tasks) == task_rows(4, "new").ids.tolist()


async def test_there_is_no_replica_of_an_unknown_run(store: Store) -> None:
    with pytest.raises(UnknownRun):
        await store.live_runs.of("other")


async def test_an_event_of_a_later_version_stops_the_run_and_not_the_replica(
    store: Store, other_store: Store
) -> None:
    await make_run(store)
    await train(store, 2)
    await read(store)
    await select(other_store)
    await store.redis.rpush(run_keys(RUN).log, '{"type":"novelty","at":1}')
    for _ in range(2):
        with pytest.raises(UnreadableData, match="novelty"):
            await read(store)
    await store.redis.rpop(run_keys(RUN).log)
    assert await read(store) == await folded_from_the_start(store)


class Slow:
    """A function whose first call is held up until `go_on` is set."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.states: list[RunState | None] = []
        self.started, self.go_on, self.ended = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, state: RunState | None, *args: Any) -> Any:
        self.states.append(state)
        if len(self.states) > 1:
            return self._function(state, *args)
        self.started.set()
        self.go_on.wait()
        try:
            return self._function(state, *args)
        finally:
            self.ended.set()

    async def cancel_when_started(self, caller: asyncio.Task[Any]) -> None:
        await asyncio.to_thread(self.started.wait)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        self.go_on.set()
        await asyncio.to_thread(self.ended.wait)


async def test_a_caller_that_goes_away_while_its_selection_is_drawn_harms_nobody(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_run(store)
    slow = Slow(draw)
    monkeypatch.setattr(drawing, "select", slow)
    await slow.cancel_when_started(asyncio.create_task(select(store, key="k")))
    assert not (await select(store, key="k")).replayed
    assert slow.states[0] is not slow.states[1]
    assert await read(store) == await folded_from_the_start(store)


async def test_a_caller_that_goes_away_while_events_are_folded_harms_nobody(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_run(store)
    await read(store)
    await other_store.pools.add_tasks(POOL, task_rows(2, "new"))
    await select(other_store)
    slow = Slow(live_run_module._folded)
    monkeypatch.setattr(live_run_module, "_folded", slow)
    await slow.cancel_when_started(asyncio.create_task(read(store)))
    assert await read(store) == await folded_from_the_start(store)


async def test_a_view_runs_beside_the_event_loop(store: Store) -> None:
    await make_run(store)
    live_run = await store.live_runs.of(RUN)
    thread = await live_run.read(lambda _: threading.current_thread())
    assert thread is not threading.main_thread()
    means = await live_run.read(lambda state: state.posterior.of_tasks(np.arange(3)).mean())
    np.testing.assert_array_equal(means, [0.5, 0.5, 0.5])


async def test_a_glance_needs_no_thread_and_sees_what_others_did(store: Store, other_store: Store) -> None:
    await make_run(store)
    live_run = await store.live_runs.of(RUN)
    await select(other_store)
    assert await live_run.glance(lambda state: state.selections) == 1
    assert await live_run.glance(lambda _: threading.current_thread()) is threading.main_thread()


@pytest.mark.parametrize("seconds", [0.0, float("inf")])
async def test_what_was_quick_to_draw_is_drawn_without_a_thread(
    store: Store, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    threads: list[threading.Thread] = []

    def plain_draw(state: RunState, size: int) -> Any:
        threads.append(threading.current_thread())
        return draw(state, size)

    monkeypatch.setattr(drawing, "select", plain_draw)
    monkeypatch.setattr(Threads, "quick_seconds", seconds)
    await make_run(store)
    for size in (2, 2, 1, 1):
        await select(store, size)
    here = [thread is threading.main_thread() for thread in threads]
    assert here == [False, seconds > 0, False, seconds > 0]
