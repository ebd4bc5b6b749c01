"""What bounds a run: behind the horizon its events are packed, and what deduplicates is forgotten.

Segments are small here, and the horizon is a moment.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from hashlib import sha1
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from bots.run_archive import _archived
from selector_api.core.config import EveryOutcomes, RunChange, RunConfig
from selector_api.core.policies.random import Random
from selector_api.core.state import RunState
from selector_api.store import scripts, segments
from selector_api.store.archives import Archives
from selector_api.store.codec import Drop, decode_events, digest_of, encode_snapshot
from selector_api.store.connection import StoreClient
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.errors import StoreUnavailable, UnreadableData
from selector_api.store.kept_no_more import EventsDropped, PastHorizon
from selector_api.store.keys import pool_keys, run_keys
from selector_api.store.log_parts import Bookmark
from selector_api.store.refusals import UnknownSelection, UnusableFork
from selector_api.store.scripts import Scripts
from selector_api.store.snapshots import copied
from selector_api.store.store import Store, open_store
from selector_api.store.threads import Threads
from services.command_line.failures import Failure
from tests.core.runs import fold_all
from tests.store import dumps
from tests.store.helpers import POOL, RUN, Selection, make_run, outcomes, report, select, task_rows
from tests.store.test_forks import fork, same_evidence, same_state

pytestmark = pytest.mark.anyio

EVENTS = 8
"""In a segment."""
MOMENT = 1e-9
"""Days."""


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(segments, "EVENTS", EVENTS)
    scripts._script.cache_clear()
    yield
    scripts._script.cache_clear()


@pytest.fixture
async def saving(valkey: EmbeddedValkey, redis: StoreClient) -> AsyncIterator[Store]:
    """A store on this Valkey, empty at the test's start, that saves a snapshot and packs at every event."""
    async with open_store(valkey.url, snapshot_every=1, horizon_days=MOMENT) as opened:
        yield opened


async def state_of(store: Store) -> RunState:
    return await (await store.live_runs.of(RUN)).copy()


async def step(store: Store, key: str | None = None) -> Selection:
    selection = await select(store, 3, key)
    await report(store, selection, selection.tasks, successes=1.0 + selection.step % 2)
    return selection


async def packed(store: Store) -> int:
    """How many segments there are."""
    return await store.redis.execute_command("LLEN", run_keys(RUN).segments)


async def keep_up(store: Store, horizon_days: float = MOMENT, run: str = RUN) -> int:
    """Pack what is behind the horizon, and tell how many segments that made."""
    threads = Threads()
    try:
        archives = Archives(store.redis, Scripts(store.redis), threads, horizon_days)
        return await archives.keep_up(await store.runs.find(run))
    finally:
        threads.close()


async def lines(store: Store, after: int = 0, run: str = RUN) -> list[bytes]:
    """The whole log behind this seq, as readers get it."""
    found: list[bytes] = []
    there, place = await store.runs.find(run), Bookmark(after)
    while stretch := await store.logs.read(there, place):
        if not stretch.events:
            return found
        found += stretch.events
        place = place.after(stretch.events)
    raise AssertionError("the log was replaced")


async def trained_in_every_way(store: Store) -> None:
    """`RUN` with every kind of event, of which nothing is open any more."""
    await make_run(store, tasks=40)
    for number in range(3):
        await step(store, f"step-{number}")
    dropped = await select(store, 3)
    drops = [Drop(task, "too long") for task in dropped.tasks[:2]]
    await store.logs.report(RUN, dropped.selection, [*drops, *outcomes(dropped.tasks[2:])])
    late = await select(store, 3, "late")
    await report(store, late, late.tasks[:1], final=True)
    await report(store, late, late.tasks[1:])
    await store.logs.release(RUN, (await select(store, 3, "given-back")).selection)
    await store.logs.report_unsolicited(RUN, "away", outcomes(["t1", "t2"]))
    await store.logs.report_unsolicited(RUN, "eval", outcomes(["t1"]), evaluation=True)
    await store.changes.exclude(RUN, ["t3"], "excluded")
    await store.retirements.retire(POOL, ["t4"], "excluded")
    await store.pools.add_tasks(POOL, task_rows(5, "grown"))
    await store.changes.configure(RUN, RunChange(lease_seconds=60.0))
    for _ in range(4):
        await step(store)


async def test_what_is_packed_is_read_and_folded_bit_for_bit_as_before(
    store: Store, other_store: Store, redis: StoreClient
) -> None:
    await trained_in_every_way(store)
    before, state = await lines(store), await state_of(store)
    assert await keep_up(store) == 0, "without a snapshot nothing is packed"
    await store.snapshots.save(await store.runs.find(RUN), *await encoded(store))
    assert await keep_up(store, horizon_days=30) == 0, "nothing is so old"
    made = await keep_up(store)
    assert made == (len(before) - 1) // EVENTS
    assert await redis.execute_command("LLEN", run_keys(RUN).log) == len(before) - made * EVENTS
    for after in range(len(before) + 1):
        assert await lines(store, after) == before[after:]
        some = await segments.read_events(redis, RUN, after, 3)
        assert some == before[after : after + len(some)]
        assert some or after == len(before)
    same_state(await state_of(other_store), state)
    await redis.delete(run_keys(RUN).snapshot)
    other_store.live_runs.drop(RUN)
    same_state(await state_of(other_store), state)
    same_state(fold_all(decode_events(before), await store.pools.table(POOL)), state)


async def encoded(store: Store, run: str = RUN) -> tuple[Bookmark, bytes]:
    """A snapshot of the run as it is now, and its place."""
    live_run = await store.live_runs.of(run)
    data = await live_run.read(lambda state: encode_snapshot(*copied(state)))
    return live_run._place, data


async def pack(store: Store, run: str = RUN) -> int:
    await store.snapshots.save(await store.runs.find(run), *await encoded(store, run))
    return await keep_up(store, run=run)


async def test_what_is_forgotten_is_refused_and_counted_no_second_time(store: Store) -> None:
    await trained_in_every_way(store)
    rows = await store.redis.read_hash(run_keys(RUN).selections)
    old = Selection(
        min(rows, key=lambda id_: int(rows[id_].split(b":")[0])).decode(), 0, ["t1"], 0, False, None
    )
    assert await pack(store) > 0
    before, length = await state_of(store), len(await lines(store))
    refused: list[Any] = [
        select(store, 3, "step-0"),
        select(store, 2, "given-back"),
        report(store, old, old.tasks),
        report(store, old, [], final=True),
        store.logs.renew(RUN, old.selection, 1000),
        store.logs.release(RUN, old.selection),
        store.logs.report_unsolicited(RUN, "away", outcomes(["t9", "t2"])),
        store.logs.report_unsolicited(RUN, "eval", outcomes(["t1"]), evaluation=True),
    ]
    for call in refused:
        with pytest.raises(PastHorizon, match=r"(selection|key): .* horizon \(30 days\)"):
            await call
    assert len(await lines(store)) == length
    same_state(await state_of(store), before)
    for unknown in ("s999-00000000", "s0-00000000", "of-another-run"):
        with pytest.raises(UnknownSelection):
            await store.logs.release(RUN, unknown)
    receipt = await store.logs.report_unsolicited(RUN, "away", outcomes(["t9"]))
    assert (receipt.accepted, receipt.step) == (1, before.step + 1), "another task of the same key is new"
    receipt = await store.logs.report_unsolicited(RUN, "eval", outcomes(["t1"]))
    assert (receipt.accepted, receipt.step) == (1, before.step + 2), "the key was an evaluation's alone"


async def test_a_run_goes_on_behind_what_is_forgotten(store: Store, other_store: Store) -> None:
    await trained_in_every_way(store)
    selections = (await state_of(store)).selections
    await pack(store)
    for each in (other_store, store, other_store):
        selection = await step(each, f"later-{each is store}-{selections}")
        selections += 1
        assert int(selection.selection.removeprefix("s").split("-")[0]) == selections
        assert (await report(each, selection, selection.tasks, 1.0 + selection.step % 2)).duplicates == 3
    again = await select(store, 3, f"later-False-{selections - 1}")
    assert (again.replayed, again.selection) == (True, selection.selection)
    found, more = await store.selections.page(RUN, None, 0, 100)
    assert not more
    assert found[-1].id == selection.selection
    assert all(each.event["selection"] == each.id for each in found)


async def test_a_selection_that_is_open_or_awaits_a_commit_is_not_forgotten(store: Store) -> None:
    await make_run(store, tasks=60, commit=EveryOutcomes(8), policy=Random())
    opened = await select(store, 3, "open")
    ended = await select(store, 3, "ended")
    await report(store, ended, [], final=True)
    for _ in range(8):
        await step(store)
    assert (await store.logs.report(RUN, ended.selection, outcomes(ended.tasks[:1]))).accepted == 1
    assert await pack(store) == 0
    assert (await select(store, 3, "open")).selection == opened.selection
    holding = await select(store, 3)
    await report(store, opened, [], final=True)
    assert await store.redis.execute_command("LLEN", run_keys(RUN).pending) == 1, "the late outcome waits"
    assert await pack(store) == 0
    assert (await report(store, ended, ended.tasks[:1])).duplicates == 1
    await store.logs.release(RUN, holding.selection)
    assert await pack(store) > 0
    same_state(
        await state_of(store), fold_all(decode_events(await lines(store)), await store.pools.table(POOL))
    )


async def test_a_key_that_was_given_another_selection_keeps_it(store: Store) -> None:
    await make_run(store, tasks=40)
    first = await select(store, 3, "key")
    await store.logs.release(RUN, first.selection)
    for _ in range(3):
        await step(store)
    second = await select(store, 2, "key")
    await report(store, second, second.tasks)
    assert await pack(store) == 1
    with pytest.raises(PastHorizon):
        await store.logs.release(RUN, first.selection)
    again = await select(store, 2, "key")
    assert (again.selection, again.replayed) == (second.selection, True)


class Crashing(Scripts):
    """Scripts that are all sent twice, as after lost replies, and of which one is not called any more."""

    def __init__(self, redis: StoreClient, crash_at: str, after: int) -> None:
        super().__init__(redis)
        self._crash_at, self._left = crash_at, after

    async def run(self, script: Any, keys: Any, *args: Any) -> Any:
        if script == self._crash_at:
            if self._left == 0:
                raise StoreUnavailable("the process is gone")
            self._left -= 1
        reply = await super().run(script, keys, *args)
        assert await super().run(script, keys, *args) == reply
        return reply


@pytest.mark.parametrize("crash_at", ["forget", "pack"])
@pytest.mark.parametrize("after", [0, 1])
async def test_a_crash_on_the_way_leaves_what_is_packed_the_next_time(
    store: Store, crash_at: str, after: int
) -> None:
    await trained_in_every_way(store)
    before, state = await lines(store), await state_of(store)
    await store.snapshots.save(await store.runs.find(RUN), *await encoded(store))
    threads = Threads()
    archives = Archives(store.redis, Crashing(store.redis, crash_at, after), threads, MOMENT)
    with pytest.raises(StoreUnavailable):
        await archives.keep_up(await store.runs.find(RUN))
    threads.close()
    assert await packed(store) == after
    assert await lines(store) == before
    same_state(await state_of(store), state)
    if after or crash_at == "pack":
        with pytest.raises(PastHorizon):
            await select(store, 3, "step-0")
    else:
        assert (await select(store, 3, "step-0")).replayed
    await keep_up(store)
    assert await lines(store) == before
    assert (await step(store)).step == state.step
    (forgotten,) = await store.redis.read_fields(run_keys(RUN).meta, "forgotten")
    left = await store.redis.execute_command("HLEN", run_keys(RUN).selections)
    assert int(forgotten or 0) + left == state.selections + 1


async def test_trainers_go_on_while_a_log_is_packed(saving: Store, other_store: Store) -> None:
    await make_run(saving, tasks=200)

    async def train(store: Store, name: str) -> None:
        for number in range(25):
            selection = await select(store, 3, f"{name}-{number}")
            await report(store, selection, selection.tasks)

    await asyncio.gather(train(saving, "a"), train(other_store, "b"), train(saving, "c"))
    await saving.live_runs.close()
    assert await packed(saving) > 2
    state = await state_of(saving)
    assert (state.step, state.selections, state.rewinds) == (75, 75, 0)
    same_state(state, await state_of(other_store))
    events = decode_events(await lines(other_store))
    same_state(state, fold_all(events, await saving.pools.table(POOL)))


async def test_a_replica_that_was_left_behind_goes_on_within_a_segment(
    store: Store, other_store: Store, redis: StoreClient
) -> None:
    await make_run(store, tasks=100)
    for _ in range(3):
        await step(store)
    await state_of(other_store)  # seven events, of which a segment of eight holds all
    for _ in range(10):
        await step(store)
    assert await pack(store) == 3
    same_state(await state_of(other_store), await state_of(store))
    assert (await state_of(other_store)).rewinds == 0


@pytest.mark.one_server
@pytest.mark.parametrize("steps", [3, 10])
async def test_events_that_are_lost_are_noticed_though_the_log_is_packed(
    store: Store, other_store: Store, redis: StoreClient, steps: int
) -> None:
    await make_run(store, tasks=100)
    kept = await dumps.dump(redis)
    for _ in range(steps):
        await step(store)
    known = len(await lines(other_store))
    await state_of(other_store)
    await dumps.fall_back(redis, kept)
    store.live_runs.drop(RUN)
    for _ in range(14):  # it goes on otherwise, and what it went on with is packed
        await step(store)
    assert await pack(store) == 3
    found = len(await lines(store))
    state = await state_of(other_store)
    assert state.rewound is not None
    assert (state.rewinds, state.rewound["known"], state.rewound["found"]) == (1, known, found)
    same_state(state, await state_of(store))


@pytest.mark.one_server
async def test_a_loss_behind_what_is_packed_tells_places_in_the_whole_log(
    store: Store, other_store: Store, redis: StoreClient
) -> None:
    await make_run(store, tasks=100)
    for _ in range(10):
        await step(store)
    assert await pack(store) == 2
    kept = await dumps.dump(redis)
    await step(store)
    await state_of(other_store)
    await dumps.fall_back(redis, kept)
    state = await state_of(other_store)
    assert state.rewound is not None
    assert (state.rewound["known"], state.rewound["found"], state.step) == (23, 21, 10)
    assert (await step(other_store)).step == 10


async def test_a_fork_keeps_what_it_counted_under_keys_of_its_parent(store: Store) -> None:
    """The parent's events are the first ones of its log; its keys are its own."""
    await trained_in_every_way(store)
    await fork(store, "new")
    live_run = await store.live_runs.of("new")
    await live_run.select(2)  # from here on nothing is packed
    for key, evaluation in (("away", False), ("eval", True)):
        receipt = await store.logs.report_unsolicited("new", key, outcomes(["t1"]), evaluation)
        assert receipt.accepted == 1, "it is another run"
    selected = (await live_run.select(3, "step-0")).event
    made = await pack(store, "new")
    behind = b"".join((await lines(store, run="new"))[: made * EVENTS])
    assert all(f'"key":"{key}"'.encode() in behind for key in ("step-0", "away", "eval"))
    for key, evaluation in (("away", False), ("eval", True)):
        receipt = await store.logs.report_unsolicited("new", key, outcomes(["t1"]), evaluation)
        assert (receipt.accepted, receipt.duplicates) == (0, 1)
    assert (await live_run.select(3, "step-0")).event["selection"] == selected["selection"]


@pytest.mark.parametrize("commits", [None, 3])
async def test_a_fork_of_a_packed_run_is_the_fork_of_the_run(store: Store, commits: int | None) -> None:
    await trained_in_every_way(store)
    former = await fork(store, "former", commits)
    await pack(store)
    state = await fork(store, "new", commits)
    same_evidence(state, former)
    inherited, others = [
        [line for line in await lines(store, run=run) if b'"by":"pool"' not in line]
        for run in ("new", "former")
    ]  # each follows the pool by itself
    assert inherited[1:] == others[1:]
    live_run = await store.live_runs.of("new")
    event, replayed = await live_run.select(3, "step-0")
    assert not replayed, "keys are its own"
    with pytest.raises(UnknownSelection):
        await store.logs.release("new", "s1-00000000")
    await store.logs.report("new", event["selection"], outcomes(event["tasks"]))
    assert (await live_run.copy()).step == state.step + 1


async def test_what_reads_a_logs_beginning_finds_it_packed(store: Store, redis: StoreClient) -> None:
    await trained_in_every_way(store)
    await pack(store)
    assert not await store.runs.create(RUN, RunConfig(POOL)), "it began with this configuration"
    await redis.delete(f"bots:{{pool:{POOL}}}:retirements")  # as a loss would: what is followed is in the log
    await store.retirements.retire(POOL, ["t5"], "excluded")
    state = await state_of(store)
    assert state.table.ids(state.withheld.tasks) == ["t3", "t5"]
    await store.runs.delete(RUN)
    assert await redis.keys("bots:{run:*") == []


async def test_a_run_made_anew_has_forgotten_nothing(store: Store) -> None:
    await trained_in_every_way(store)
    await pack(store)
    await store.runs.delete(RUN)
    await store.runs.create(RUN, RunConfig(POOL))
    assert not (await select(store, 3, "step-0")).replayed


async def test_a_damaged_segment_is_said(store: Store, redis: StoreClient) -> None:
    await trained_in_every_way(store)
    await pack(store)
    segment = await redis.execute_command("LINDEX", run_keys(RUN).segments, 0)
    await redis.execute_command("LSET", run_keys(RUN).segments, 0, segment[:-1] + b"x")
    await step(store)
    with pytest.raises(UnreadableData, match="a segment of a log is damaged"):
        await lines(store)


async def test_only_a_whole_fingerprint_is_one(store: Store, redis: StoreClient) -> None:
    await make_run(store, tasks=40)
    digest = sha1(b"select:key", usedforsecurity=False).hexdigest()
    place, print_ = digest[:2], bytes.fromhex(digest[2:14])
    forgotten = run_keys(RUN).forgotten
    await redis.hset(forgotten, place, b"abc" + print_ + b"def")  # pyright: ignore[reportArgumentType]
    await step(store, "key")
    await redis.hset(forgotten, place, b"abc" + print_ + b"def" + print_)  # pyright: ignore[reportArgumentType]
    await redis.delete(run_keys(RUN).idempotency)
    with pytest.raises(PastHorizon):
        await select(store, 3, "key")


async def test_a_run_of_release_0_1_is_packed(store: Store, redis: StoreClient) -> None:
    written = json.loads(Path("tests/fixtures/store-0.1.0.json").read_text())
    await dumps.load(redis, written["keys"])
    await redis.execute_command(
        "ZADD", run_keys(RUN).leases, "XX", 2**53, "s11-35dbb5fd"
    )  # it has long ended
    before, state = await lines(store), await state_of(store)
    assert await pack(store) == 3
    assert await lines(store) == before
    same_state(await state_of(store), state)
    assert await redis.hkeys(run_keys(RUN).selections) == [b"s11-35dbb5fd"]
    assert {str(key)[:5] for key in await redis.hkeys(run_keys(RUN).outcomes)} == {"b's11"}, "of the open one"
    for field in ("select:step-0", "report:4:away:math3"):
        assert not await redis.hexists(run_keys(RUN).idempotency, field)
    with pytest.raises(PastHorizon):
        await store.logs.report_unsolicited(RUN, "away", outcomes(["math3"]))


async def drop(store: Store, count: int, digest: str | None = None) -> bool:
    """Let go of so many events."""
    if digest is None:
        digest = digest_of((await lines(store, (count - 1) // EVENTS * EVENTS))[(count - 1) % EVENTS])
    return await store.archives.drop(await store.runs.find(RUN), Bookmark(count, digest))


async def test_a_run_whose_events_are_elsewhere_goes_on_and_says_so(
    store: Store, other_store: Store, redis: StoreClient
) -> None:
    await make_run(store, tasks=100)
    await step(store)
    await state_of(other_store)  # which is left behind, within what is let go
    for _ in range(4):
        await step(store)
    await store.changes.configure(RUN, RunChange(lease_seconds=60.0))
    for _ in range(5):
        await step(store)
    assert not await drop(store, EVENTS), "that is not packed"
    await pack(store)
    before, state = await lines(store), await state_of(store)
    run = await store.runs.find(RUN)
    assert await store.archives.droppable(run) == (0, 2 * EVENTS)
    for count, digest in ((EVENTS, "0" * 40), (EVENTS - 1, None), (len(before), None)):
        assert not await drop(store, count, digest)
    assert await lines(store) == before
    digest = digest_of(before[EVENTS - 1])
    for _ in range(2):  # the second is what the connection sends again
        assert await drop(store, EVENTS, digest)
    assert await store.archives.droppable(run) == (EVENTS, 2 * EVENTS)

    for after in range(EVENTS):
        with pytest.raises(EventsDropped, match=f"the first {EVENTS} events .* after={EVENTS}"):
            await lines(store, after)
        with pytest.raises(EventsDropped):
            await segments.read_events(redis, RUN, after, 1)
    for after in range(EVENTS, len(before) + 1):
        assert await lines(store, after) == before[after:]
    assert (await store.logs.read(run, Bookmark(EVENTS, digest))) is not None
    assert (await store.logs.read(run, Bookmark(EVENTS, "0" * 40))) is None, "its last event is still known"
    same_state(await state_of(other_store), state)
    store.live_runs.drop(RUN)
    same_state(await state_of(store), state)
    await step(store)
    assert (await state_of(store)).rewinds == 0
    assert not await store.runs.create(RUN, RunConfig(POOL)), "it began with this configuration"
    with pytest.raises(UnusableFork, match=f"the first {EVENTS} events of 'run' are in a file alone"):
        await fork(store, "new")
    for _ in range(8):
        await step(store)
    assert await pack(store) > 0
    assert await drop(store, 3 * EVENTS)
    assert await store.archives.droppable(run) == (3 * EVENTS, 4 * EVENTS)
    assert (await step(other_store)).step == 19


async def test_a_pool_that_lost_what_it_retired_is_followed_though_events_are_elsewhere(
    store: Store, other_store: Store, redis: StoreClient
) -> None:
    await make_run(store, tasks=100)
    await store.retirements.retire(POOL, ["t1", "t2", "t3"], "excluded")
    await store.retirements.retire(POOL, ["t3"], "included")
    for _ in range(2 * EVENTS):
        await step(store)
    await pack(store)
    assert await drop(store, EVENTS)
    await redis.unlink(pool_keys(POOL).retirements)
    await store.retirements.retire(POOL, ["t2", "t4"], "excluded")
    for each in (store, other_store):
        state = await state_of(each)
        assert state.table.ids(state.withheld.tasks) == ["t2", "t4"]


async def test_without_a_snapshot_nothing_is_let_go(store: Store, redis: StoreClient) -> None:
    await trained_in_every_way(store)
    await pack(store)
    snapshot = await redis.dump(run_keys(RUN).snapshot)
    assert snapshot is not None
    await redis.delete(run_keys(RUN).snapshot)
    assert not await drop(store, EVENTS)
    await redis.restore(run_keys(RUN).snapshot, 0, snapshot)
    assert await drop(store, EVENTS)
    await redis.delete(run_keys(RUN).snapshot)
    store.live_runs.drop(RUN)
    for _ in range(2):
        with pytest.raises(EventsDropped):
            await state_of(store)


@pytest.mark.one_server
async def test_what_redis_has_lost_to_be_forgotten_is_not_packed(store: Store, redis: StoreClient) -> None:
    await make_run(store, tasks=100)
    for number in range(10):
        await step(store, f"step-{number}")
    await store.snapshots.save(await store.runs.find(RUN), *await encoded(store))
    kept = await dumps.dump(redis)
    held_up: list[tuple[Any, ...]] = []

    class Holding(Scripts):
        """Scripts of which one is held up on its way."""

        async def run(self, script: Any, keys: Any, *args: Any) -> Any:
            if script == "pack":
                held_up.append((script, keys, *args))
                return 0
            return await super().run(script, keys, *args)

    threads = Threads()
    await Archives(redis, Holding(redis), threads, MOMENT).keep_up(await store.runs.find(RUN))
    threads.close()
    await dumps.fall_back(redis, kept)
    assert await Scripts(redis).run(*held_up[0]) == 0
    again = await select(store, 3, "step-0")
    assert (again.replayed, again.step) == (True, 0)
    assert await keep_up(store) == 2
    assert await Scripts(redis).run(*held_up[0]) == 1, "it is there by now"


async def test_events_that_are_packed_while_they_are_read_are_read_once(
    store: Store, redis: StoreClient
) -> None:
    await trained_in_every_way(store)
    before = await lines(store)
    await store.snapshots.save(await store.runs.find(RUN), *await encoded(store))
    execute = redis.execute_command
    made: list[int] = []

    async def packed_before(*args: Any, **options: Any) -> Any:
        if args[0] == "LRANGE" and args[1] == run_keys(RUN).log and not made:
            made.append(await keep_up(store))
        return await execute(*args, **options)

    with mock.patch.object(redis, "execute_command", packed_before):
        assert await segments.read_events(redis, RUN, 2, 5) == before[2:7]
    assert made[0] > 1
    await store.runs.delete(RUN)
    assert await segments.read_events(redis, RUN, 0, 5) == []


async def test_an_archive_of_another_run_of_the_name_is_not_taken_over(store: Store, tmp_path: Path) -> None:
    former, first, second = (tmp_path / f"{name}.zip" for name in ("former", "first", "second"))
    for file in (former, first):
        await make_run(store, tasks=100)
        for _ in range(6):
            await step(store)
        await pack(store)
        assert await _archived(store, RUN, file, None, yes=True) == EVENTS
        if file == former:
            await store.runs.delete(RUN)
    for _ in range(4):
        await step(store)
    await pack(store)
    with pytest.raises(Failure, match=r"--archive: .*former\.zip does not hold what 'run' has let go"):
        await _archived(store, RUN, second, former, yes=True)
    assert not second.exists()
    assert await _archived(store, RUN, second, first, yes=True) == 2 * EVENTS
