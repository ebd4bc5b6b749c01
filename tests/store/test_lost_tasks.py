"""Redis falls back to an earlier copy of itself while tasks are added to a pool, or named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from selector_api.core.config import Fork, RunConfig
from selector_api.store.errors import Overloaded, UnreadableData
from selector_api.store.keys import pool_keys, run_keys
from selector_api.store.refusals import UnknownParent, UnknownTask
from selector_api.store.store import Store
from tests.store.dumps import dump, fall_back, load
from tests.store.helpers import (
    POOL,
    RUN,
    before_script,
    make_run,
    outcomes,
    read_types,
    report,
    select,
    task_rows,
)

pytestmark = [pytest.mark.anyio, pytest.mark.one_server]


async def test_tasks_that_were_lost_before_runs_heard_of_them_are_added_again(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run would wait for them for ever, and their sender was told that they are there."""
    await make_run(store, tasks=5)
    kept = await dump(store.redis)
    before_script(monkeypatch, "grow", lambda: fall_back(store.redis, kept))
    added = await store.pools.add_tasks(POOL, task_rows(3, "new"))
    assert (added.inserted, added.tasks) == (3, 8)
    for each in (store, other_store):
        assert len(await each.pools.table(POOL)) == 8
        assert (await (await each.live_runs.of(RUN)).copy()).size == 8
    assert len((await select(store, 8)).tasks) == 8


async def test_a_run_whose_pool_has_lost_tasks_goes_on_once_they_are_added_again(
    store: Store, other_store: Store
) -> None:
    await make_run(store, tasks=5)
    kept = await dump(store.redis)
    await store.pools.add_tasks(POOL, task_rows(3, "new"))
    run = await store.runs.find(RUN)
    await fall_back(store.redis, kept)
    await store.pools.grow(RUN, run.pool_incarnation, 8, 2)  # a command that was held up
    with pytest.raises(UnreadableData, match="add them again"):
        await select(other_store, 1)
    await other_store.pools.add_tasks(POOL, task_rows(3, "new"))
    assert len((await select(store, 8)).tasks) == 8


async def test_tasks_that_came_in_the_place_of_lost_ones_are_the_ones_that_are_drawn(
    store: Store, other_store: Store
) -> None:
    """Also by a process that has read the lost ones, and has as many of them."""
    await make_run(store, tasks=5)
    kept = await dump(store.redis)
    await store.pools.add_tasks(POOL, task_rows(3, "lost"))
    assert len((await select(store, 8)).tasks) == 8
    await fall_back(store.redis, kept)
    await other_store.pools.add_tasks(POOL, task_rows(3, "new"))
    with pytest.raises(UnknownTask):
        await store.logs.report_unsolicited(RUN, "key", outcomes(["lost0"]))
    await store.logs.report_unsolicited(RUN, "key", outcomes(["new0"]))
    selection = await select(store, 8)
    assert {"new0", "new1", "new2"} < set(selection.tasks)
    await report(other_store, selection, selection.tasks)
    states = [await (await each.live_runs.of(RUN)).copy() for each in (store, other_store)]
    assert [state.step for state in states] == [2, 2]


async def test_what_was_checked_against_tasks_that_were_lost_is_checked_again(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task would be in the pool twice: as many came in the place of the lost ones, and this one among them."""
    await make_run(store, tasks=5)
    kept = await dump(store.redis)
    await store.pools.add_tasks(POOL, task_rows(3, "lost"))

    async def lose_and_add() -> None:
        await fall_back(store.redis, kept)
        await other_store.pools.add_tasks(POOL, task_rows(1, "new"))

    before_script(monkeypatch, "pool_append", lose_and_add)
    added = await store.pools.add_tasks(POOL, task_rows(1, "new"))
    assert (added.inserted, added.unchanged, added.tasks) == (0, 1, 6)
    assert len(await other_store.pools.table(POOL)) == 6


async def test_what_is_the_same_behind_other_tasks_does_not_hide_that_some_were_lost(
    store: Store, other_store: Store
) -> None:
    """The last part that was read is there again, and as many parts as before."""
    await make_run(store, tasks=5)
    kept = await dump(store.redis)
    for prefix in ("lost", "same"):
        await store.pools.add_tasks(POOL, task_rows(1, prefix))
    assert len(await store.pools.table(POOL)) == 7
    await fall_back(store.redis, kept)
    for prefix in ("new", "same"):
        await other_store.pools.add_tasks(POOL, task_rows(1, prefix))
    added = await store.pools.add_tasks(POOL, task_rows(1, "new"))
    assert (added.inserted, added.unchanged, added.tasks) == (0, 1, 7)
    table = await store.pools.table(POOL)
    assert table.ids(table.find(["new0", "same0"])) == ["new0", "same0"]
    assert table.find(["lost0"]).tolist() == [-1]


@pytest.mark.parametrize("script", ["report_unsolicited", "exclude", "pool_retire"])
async def test_a_task_that_is_lost_while_it_is_named_is_in_no_log(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """An event that names it could be folded by nobody, ever again."""
    await make_run(store, tasks=5)
    kept = await dump(store.redis)
    await store.pools.add_tasks(POOL, task_rows(3, "lost"))
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "report_unsolicited": lambda: store.logs.report_unsolicited(RUN, "key", outcomes(["lost0"])),
        "exclude": lambda: store.changes.exclude(RUN, ["lost0"], "excluded"),
        "pool_retire": lambda: store.retirements.retire(POOL, ["lost0"], "excluded"),
    }
    before_script(monkeypatch, script, lambda: fall_back(store.redis, kept))
    with pytest.raises(UnknownTask):
        await calls[script]()
    assert {"committed", "excluded"}.isdisjoint(await read_types(store))
    assert len((await select(other_store, 5)).tasks) == 5


async def follow_what_is_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch, tasks: int, retired: str
) -> None:
    """`RUN` follows what is retired, of which it has read the list when Redis loses that and so many tasks."""
    await make_run(store, tasks=5)
    kept = await dump(store.redis)
    await store.pools.add_tasks(POOL, task_rows(tasks, "lost"))
    await store.redis.rpush(pool_keys(POOL).retirements, retired)
    run = await store.runs.find(RUN)
    before_script(monkeypatch, "pool_read", lambda: fall_back(store.redis, kept))
    await store.retirements.follow(POOL, RUN, run.pool_incarnation)


async def test_a_run_does_not_follow_what_retires_a_task_that_was_lost_meanwhile(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log would name a task that the pool has not: nobody could fold it."""
    await follow_what_is_lost(store, monkeypatch, tasks=3, retired='{"excluded":["lost0","t1"]}')
    assert len((await select(other_store, 5)).tasks) == 5


async def test_what_is_retired_again_behind_such_a_loss_is_not_drawn(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same call, so that the pool's list is the one that the run had looked at before the loss."""
    await follow_what_is_lost(store, monkeypatch, tasks=1, retired='{"excluded":["lost0"]}')
    await other_store.pools.add_tasks(POOL, task_rows(1, "lost"))
    await other_store.retirements.retire(POOL, ["lost0"], "excluded")
    state = await (await other_store.live_runs.of(RUN)).copy()
    assert state.table.ids(state.withheld.tasks) == ["lost0"]


async def test_what_a_pool_lost_with_its_retirement_is_drawn_once_it_is_added_again(
    store: Store, other_store: Store
) -> None:
    """The node of the run kept what that of the pool lost."""
    await make_run(store, tasks=5)
    kept = await dump(store.redis)
    await store.pools.add_tasks(POOL, task_rows(1, "lost"))
    await store.retirements.retire(POOL, ["lost0"], "excluded")
    keys = {name: value for name, value in kept.items() if name.split(":", 1)[1] in pool_keys(POOL)}
    await store.redis.execute_command("DEL", *pool_keys(POOL))
    await load(store.redis, keys)
    with pytest.raises(UnreadableData, match="add them again"):
        await select(other_store, 1)
    await other_store.pools.add_tasks(POOL, task_rows(1, "lost"))
    assert len((await select(other_store, 6)).tasks) == 6


async def test_a_run_is_not_made_over_tasks_that_were_lost_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(5))
    kept = await dump(store.redis)
    await store.pools.add_tasks(POOL, task_rows(3, "lost"))
    before_script(monkeypatch, "create", lambda: fall_back(store.redis, kept))
    with pytest.raises(Overloaded):
        await make_run_only(store)
    assert await store.redis.execute_command("EXISTS", run_keys(RUN).meta) == 0
    await make_run_only(store)
    assert len((await select(store, 5)).tasks) == 5


async def test_a_run_is_not_made_over_fewer_tasks_that_came_in_the_place_of_lost_ones(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are as many chunks as before: it would wait for ever for tasks that nobody sends."""
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(5))
    kept = await dump(store.redis)
    await store.pools.add_tasks(POOL, task_rows(3, "lost"))

    async def lose_and_add() -> None:
        await fall_back(store.redis, kept)
        await other_store.pools.add_tasks(POOL, task_rows(1, "new"))

    before_script(monkeypatch, "create", lose_and_add)
    with pytest.raises(Overloaded):
        await make_run_only(store)
    await make_run_only(store)
    assert len((await select(store, 6)).tasks) == 6


async def test_a_fork_is_not_made_over_tasks_that_were_lost_with_its_parent(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes over no event, so that nothing shows that the parent is gone."""
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(5))
    kept = await dump(store.redis)
    await store.pools.add_tasks(POOL, task_rows(3, "lost"))
    await make_run_only(store)
    before_script(monkeypatch, "pool_register", lambda: fall_back(store.redis, kept))
    with pytest.raises(UnreadableData, match="add them again"):
        await fork(store)
    assert await store.redis.execute_command("EXISTS", run_keys("fork").meta) == 0
    with pytest.raises(UnknownParent):
        await fork(other_store)


async def test_a_fork_of_a_run_that_waits_for_lost_tasks_is_refused_until_they_are_added_again(
    store: Store, other_store: Store
) -> None:
    await make_run(store, tasks=5)
    kept = await dump(store.redis)
    await store.pools.add_tasks(POOL, task_rows(3, "new"))
    run = await store.runs.find(RUN)
    await fall_back(store.redis, kept)
    await store.pools.grow(RUN, run.pool_incarnation, 8, 2)  # a command that was held up
    with pytest.raises(UnreadableData, match="add them again"):
        await fork(store)
    await other_store.pools.add_tasks(POOL, task_rows(3, "new"))
    assert await fork(store)
    assert (await (await other_store.live_runs.of("fork")).copy()).size == 8


async def fork(store: Store) -> bool:
    config = RunConfig(pool=POOL, fork=Fork(RUN))
    assert config.fork is not None
    return await store.forks.create("fork", config, config.fork)


async def make_run_only(store: Store) -> None:
    assert await store.runs.create(RUN, RunConfig(pool=POOL))
