"""Forks: runs that begin with the evidence of another one, as Redis keeps them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from selector_api.core import snapshot
from selector_api.core.candidates import Candidates
from selector_api.core.config import EveryOutcomes, Fork, RunChange, RunConfig
from selector_api.core.policies.policy import MovingTarget
from selector_api.core.policies.random import Random
from selector_api.core.policies.signal import Signal
from selector_api.core.policies.thompson import Thompson
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.core.posteriors.rasch import Rasch
from selector_api.core.select import select as choose
from selector_api.core.state import RunState
from selector_api.core.task_rows import TaskRows
from selector_api.store.codec import Outcome
from selector_api.store.connection import StoreClient
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.errors import Overloaded
from selector_api.store.keys import run_keys
from selector_api.store.refusals import UnknownSelection, UnusableFork
from selector_api.store.scripts import Scripts
from selector_api.store.snapshots import Snapshot
from selector_api.store.store import Store, open_store
from tests.core.dense import DenseRun
from tests.core.runs import fold_all
from tests.store.dumps import dump, load
from tests.store.helpers import (
    POOL,
    RUN,
    make_run,
    outcomes,
    put_back,
    read_events,
    report,
    select,
    task_rows,
)

pytestmark = pytest.mark.anyio

TASKS = 60
COMMITS = 2_000


def posterior(forgetting: float) -> Bots:
    return Bots(forgetting=forgetting, implicit=Interpolation("weak", "strong"))


async def fork(store: Store, name: str, step: int | None = None, **config: object) -> RunState:
    config_ = RunConfig(pool=POOL, fork=Fork(RUN, step), **config)  # pyright: ignore[reportArgumentType]
    assert config_.fork is not None
    await store.forks.create(name, config_, config_.fork)
    return await (await store.live_runs.of(name)).copy()


def same_state(one: RunState, other: RunState, apart: Collection[str] = ()) -> None:
    """Bit for bit, but for these fields."""
    (header, arrays), (other_header, other_arrays) = snapshot.taken(one), snapshot.taken(other)
    assert arrays.keys() == other_arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, other_arrays[name], err_msg=name, strict=True)
    assert {name: value for name, value in header.items() if name not in apart} == {
        name: value for name, value in other_header.items() if name not in apart
    }


def same_evidence(one: RunState, other: RunState) -> None:
    """Bit for bit, but for what tells a fork apart."""
    same_state(one, other, {"config", "created_at", "parent"})


@pytest.mark.slow
async def test_going_back_a_fork_at_the_middle_is_a_run_that_saw_the_first_half_alone(store: Store) -> None:
    rng = np.random.default_rng(5)
    rates = [{"weak": low, "strong": high} for low, high in rng.choice([0.0, 0.25, 0.5, 1.0], (TASKS, 2))]
    rows = TaskRows.of([f"t{k}" for k in range(TASKS)], ["math", "code"] * (TASKS // 2), rates)
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, rows)
    await store.runs.create(RUN, RunConfig(pool=POOL, seed=3, posterior=posterior(0.1)))
    dense = DenseRun(0.35, 0.1, 16, (1.0, 1.0))
    for id_, domain, references in rows.told():
        dense.join(id_, str(domain), references["weak"], references["strong"])

    half: RunState | None = None
    for commit in range(COMMITS):
        selection = await select(store, 2)
        seen = {task: (int(rng.integers(9)), 8) for task in selection.tasks}
        await store.logs.report(RUN, selection.selection, [Outcome(task, *seen[task]) for task in seen])
        if commit < COMMITS // 2:
            dense.commit(seen)
        if commit == COMMITS // 2 - 1:
            half = await (await store.live_runs.of(RUN)).copy()
    forked = await fork(store, "half", COMMITS // 2, seed=3, posterior=posterior(0.1))
    assert half is not None
    same_evidence(forked, half)
    assert forked.parent == {"run": RUN, "step": COMMITS // 2}

    other = await fork(store, "other", COMMITS // 2, posterior=posterior(0.35))
    marginals = other.posterior.of_tasks(np.arange(TASKS)).parameters()
    np.testing.assert_allclose(marginals["alpha"], dense.alpha, rtol=1e-9)
    np.testing.assert_allclose(marginals["beta"], dense.beta, rtol=1e-9)


async def test_what_was_open_does_not_come_along(store: Store) -> None:
    await make_run(store)
    first = await select(store, 3, key="a")
    await report(store, first, first.tasks)
    opened = await select(store, 3, key="b")
    await report(store, opened, opened.tasks[:1])
    state = await fork(store, "new")
    assert (state.step, state.selections, len(state.leased)) == (1, 1, 0)
    live_run = await store.live_runs.of("new")
    event, replayed = await live_run.select(10, "b")
    assert not replayed
    with pytest.raises(UnknownSelection):
        await store.logs.report("new", opened.selection, outcomes(opened.tasks))
    await store.logs.report("new", event["selection"], outcomes(event["tasks"]))
    assert (await live_run.copy()).step == 2
    assert (await (await store.live_runs.of(RUN)).copy()).step == 1


async def trained(store: Store, commits: int) -> None:
    """`RUN` with so many commits, of which a snapshot was written."""
    for commit in range(commits):
        selection = await select(store, 3)
        await report(store, selection, selection.tasks, successes=commit % 3)
    await store.live_runs.close()  # it waits for a snapshot that is being written
    await (await store.live_runs.of(RUN)).copy()
    await store.live_runs.close()


async def folded_anew(store: Store, name: str) -> RunState:
    """The state of a run by its log alone."""
    return fold_all(await read_events(store, name), await store.pools.table(POOL))


@pytest.fixture
async def store_with_snapshots(valkey: EmbeddedValkey, redis: StoreClient) -> AsyncIterator[Store]:
    """A store on this Valkey, empty at the test's start, that writes a snapshot every ten events."""
    async with open_store(valkey.url, snapshot_every=10) as opened:
        yield opened


@pytest.mark.parametrize("step", [None, 20, 12])
async def test_a_fork_begins_with_its_parents_snapshot_where_nothing_was_left_out_before_it(
    store_with_snapshots: Store, step: int | None
) -> None:
    store = store_with_snapshots
    await make_run(store)
    await trained(store, 20)
    selection = await select(store, 3)  # open, so the fork leaves it out
    place = await store.snapshots.seq(RUN)
    assert 24 < place <= 41  # 41, unless one was still being written when the last was due
    config = RunConfig(pool=POOL, seed=5, fork=Fork(RUN, step))
    assert config.fork is not None
    assert await store.forks.create("new", config, config.fork)
    assert await store.snapshots.seq("new") == (0 if step == 12 else place)
    state = await (await store.live_runs.of("new")).copy()
    assert (state.step, selection.selection in state.handed) == (step or 20, False)
    same_state(state, await folded_anew(store, "new"))


async def test_what_a_fork_leaves_open_is_settled_before_it_begins_with_a_snapshot(
    store_with_snapshots: Store,
) -> None:
    store = store_with_snapshots
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(10, weak=0.5))
    await store.runs.create(RUN, RunConfig(pool=POOL, posterior=Rasch(), policy=Signal()))
    await trained(store, 12)
    state = await fork(store, "new", posterior=Rasch(), policy=Signal())
    assert state.config.posterior == Rasch(("weak",), 16)
    assert await store.snapshots.seq("new") == await store.snapshots.seq(RUN) > 0
    same_state(state, await folded_anew(store, "new"))


async def test_a_fork_begins_at_its_first_event_where_it_would_fold_otherwise(
    store_with_snapshots: Store,
) -> None:
    store = store_with_snapshots
    await make_run(store)
    await trained(store, 12)
    others: dict[str, Any] = {"policy": Random(), "posterior": Bots(forgetting=0.5)}
    for name, value in others.items():
        fork = RunConfig(pool=POOL, fork=Fork(RUN), **{name: value})
        await store.forks.create(name, fork, Fork(RUN))
        assert await store.snapshots.seq(name) == 0, "before it is folded: then it may save one of its own"
        state = await (await store.live_runs.of(name)).copy()
        same_state(state, await folded_anew(store, name))


@pytest.mark.parametrize("incarnation", ["0" * 16, "f" * 16])
async def test_a_fork_does_not_begin_with_the_snapshot_of_another_run_of_its_parents_name(
    store_with_snapshots: Store, incarnation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent was deleted and made again after it was read."""
    store = store_with_snapshots
    await make_run(store)
    await trained(store, 12)
    newest = await store.snapshots.newest(RUN)
    assert newest is not None

    async def of_another(name: str) -> Snapshot:
        return replace(newest, incarnation=incarnation)

    with monkeypatch.context() as patch:
        patch.setattr(store.snapshots, "newest", of_another)
        assert await store.forks.create("new", RunConfig(pool=POOL, fork=Fork(RUN)), Fork(RUN))
    assert await store.snapshots.seq("new") == 0


async def test_a_moving_target_goes_on_in_a_fork_and_one_that_is_new_there_begins(store: Store) -> None:
    await make_run(store)
    moving, other = Thompson(target=MovingTarget(0.9, 0.1, 40)), Thompson(target=MovingTarget(0.8, 0.2, 30))
    for step in range(6):
        if step == 2:
            await store.changes.configure(RUN, RunChange(policy=moving))
        selection = await select(store, 3)
        await report(store, selection, selection.tasks)

    def target(state: RunState) -> float:
        return moving.target_of(Candidates.of(state)) if state.config.policy == moving else -1.0

    parent = await (await store.live_runs.of(RUN)).read(target)
    going_on = await fork(store, "same", policy=moving)
    assert target(going_on) == parent == pytest.approx(0.9 - 0.8 * 4 / 40)
    begun = await fork(store, "other", policy=other)
    assert other.target_of(Candidates.of(begun)) == 0.8
    again = RunConfig(pool=POOL, policy=moving, fork=Fork("same", 5))
    assert again.fork is not None
    await store.forks.create("again", again, again.fork)
    assert target(await (await store.live_runs.of("again")).copy()) == pytest.approx(0.9 - 0.8 * 3 / 40)


async def test_a_fork_with_shares_of_its_own_makes_up_for_nothing_that_its_parent_drew(store: Store) -> None:
    await store.pools.create(POOL)
    rows = TaskRows.of([f"t{k}" for k in range(80)], ["math", "code"] * 40, [{}] * 80)
    await store.pools.add_tasks(POOL, rows)
    await store.runs.create(RUN, RunConfig(pool=POOL, policy=Random(domains={"math": 1.0})))
    for _ in range(4):
        selection = await select(store, 8)
        await report(store, selection, selection.tasks)
    state = await fork(store, "new", policy=Random(domains={"math": 0.5, "code": 0.5}))
    assert state.table.domain_codes[choose(state, 8).tasks].sum() == 4


async def test_outcomes_that_entered_of_a_selection_that_is_open_come_along(store: Store) -> None:
    await make_run(store, commit=EveryOutcomes(2), policy=Random())
    selection = await select(store, 3)
    await report(store, selection, selection.tasks)
    parent = await (await store.live_runs.of(RUN)).copy()
    state = await fork(store, "new", commit=EveryOutcomes(2))
    assert (state.step, len(state.leased), state.committed) == (1, 0, 1)
    tasks = np.arange(10)
    assert state.posterior.of_tasks(tasks).mean().tolist() == parent.posterior.of_tasks(tasks).mean().tolist()


async def test_what_was_excluded_comes_along_and_later_tasks_join(store: Store) -> None:
    await make_run(store)
    first = await select(store, 3)
    await report(store, first, first.tasks)
    await store.changes.exclude(RUN, ["t4"], "excluded")
    await store.retirements.retire(POOL, ["t5"], "excluded")
    await store.pools.add_tasks(POOL, TaskRows.of(["late"], ["default"], [{}]))
    state = await fork(store, "new", 0)
    assert (state.step, state.size) == (0, 11)
    assert state.table.ids(state.withheld.tasks) == ["t4", "t5"]
    assert len((await (await store.live_runs.of("new")).select(9)).event["tasks"]) == 9


async def test_a_fork_says_what_it_cannot_begin_with(store: Store) -> None:
    await make_run(store)
    with pytest.raises(UnusableFork, match=r"fork\.step: 'run' has made 0 commits, and 3 was sent"):
        await fork(store, "new", 3)
    await store.pools.create("other")
    config = RunConfig(pool="other", fork=Fork(RUN))
    with pytest.raises(UnusableFork, match="draws from the pool 'pool'"):
        await store.forks.create("new", config, Fork(RUN))


async def test_a_copy_that_nobody_ends_goes_by_itself(store: Store) -> None:
    await make_run(store)
    keys = (*run_keys("new"), f"{run_keys('new').meta}:forking:nonce")
    for _ in range(2):  # the second is what the connection sends again
        assert await store.redis.execute_command("EXISTS", run_keys("new").log) == 0
        lines = [str(event) for event in await read_events(store)]
        assert await Scripts(store.redis).run("fork", keys, 0, 600, *lines) == 1
    assert await store.redis.execute_command("LLEN", keys[-1]) == 1
    assert 0 < await store.redis.execute_command("TTL", keys[-1]) <= 600


async def test_a_fork_that_is_gone_is_not_made_without_its_evidence(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there when its maker looked: then it was deleted, or Redis lost it."""
    await make_run(store)
    first = await select(store, 3)
    await report(store, first, first.tasks)
    await fork(store, "new")
    is_there = store.runs.is_there

    async def was_there(name: str, config: RunConfig) -> bool:
        found = await is_there(name, config)
        if found:
            await store.runs.delete(name)
        return found

    monkeypatch.setattr(store.runs, "is_there", was_there)
    with pytest.raises(Overloaded):
        await fork(store, "new")
    assert await store.redis.execute_command("EXISTS", run_keys("new").meta) == 0
    assert (await fork(store, "new")).step == 1


@pytest.mark.one_server
async def test_a_log_that_goes_on_otherwise_while_it_is_copied_is_not_forked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork of both would have counted commits that it does not hold."""
    await make_run(store)
    kept = await dump(store.redis)
    for _ in range(2):
        selection = await select(store, 3)
        await report(store, selection, selection.tasks)
    copied = store.forks._copied

    async def behind_a_loss(*args: Any) -> Any:
        await store.redis.execute_command("FLUSHDB")
        await load(store.redis, kept)
        for key in "abcd":
            await store.logs.report_unsolicited(RUN, key, outcomes(["t0"]))
        return await copied(*args)

    with monkeypatch.context() as patch:
        patch.setattr(store.forks, "_copied", behind_a_loss)
        with pytest.raises(Overloaded):
            await fork(store, "new")
    assert (await fork(store, "new")).step == 4


async def test_time_in_a_forks_log_does_not_go_back_with_the_clock(store: Store) -> None:
    await make_run(store, commit=EveryOutcomes(2), policy=Random())
    selection = await select(store, 3)
    await report(store, selection, selection.tasks)  # two of them enter a commit, one waits
    await put_back(store)
    await fork(store, "new", commit=EveryOutcomes(2))
    await store.logs.report_unsolicited("new", "key", outcomes(["t0"]))
    events = await store.redis.execute_command("LRANGE", run_keys("new").log, 0, -1)
    times = [json.loads(event)["at"] for event in events[1:]]  # it was made after what it took over
    assert times == sorted(times)
