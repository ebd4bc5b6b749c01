"""A run hears of what its pool has, whoever ended, or whatever Redis lost, before it was told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.keys import pool_keys
from selector_api.store.retirements import Retirements
from selector_api.store.store import Store, open_store
from tests.cluster.kinds import Servers
from tests.store.dumps import dump, fall_back
from tests.store.helpers import POOL, RUN, before_script, make_run, read_types, report, select, task_rows

pytestmark = pytest.mark.anyio


async def add_unheard(store: Store, prefix: str = "new") -> None:
    """Add three tasks of which no run is told."""
    runs = await store.redis.read_hash(pool_keys(POOL).runs)
    await store.redis.execute_command("UNLINK", pool_keys(POOL).runs)
    await store.pools.add_tasks(POOL, task_rows(3, prefix))
    await store.redis.hset(pool_keys(POOL).runs, mapping={**runs})


async def size(store: Store) -> int:
    return (await (await store.live_runs.of(RUN)).copy()).size


async def retired(store: Store) -> set[str]:
    state = await (await store.live_runs.of(RUN)).copy()
    return set(state.table.ids(state.withheld.tasks))


async def test_who_begins_with_a_run_completes_what_was_interrupted(store: Store, other_store: Store) -> None:
    """Whoever registered the run, or added and retired tasks, ended before the run was told."""
    await make_run(store, tasks=5)
    assert await size(store) == 5
    await add_unheard(store)
    await store.redis.rpush(pool_keys(POOL).retirements, '{"excluded":["t4","new0"]}')
    assert await size(store) == 5
    assert await size(other_store) == 8
    assert await retired(store) == await retired(other_store) == {"t4", "new0"}
    assert await read_types(store) == ["created", "grown", "excluded"]
    assert sorted((await select(store, 6)).tasks) == ["new1", "new2", "t0", "t1", "t2", "t3"]


async def test_a_run_that_its_pool_has_lost_is_registered_behind_a_snapshot(
    store: Store, valkey: EmbeddedValkey | Servers
) -> None:
    """As when another node of a cluster loses the registration, while replicas go on with the run."""
    async with open_store(valkey.url, snapshot_every=2) as working:
        await make_run(working, tasks=5)
        await size(working)
        await store.redis.execute_command("UNLINK", pool_keys(POOL).runs)
        await store.pools.add_tasks(POOL, task_rows(3, "new"))
        selection = await select(working, 2)
        await report(working, selection, selection.tasks)
        await select(working, 1)
        await (await working.live_runs.of(RUN)).settled()
        assert RUN in await store.pools.registered(POOL)
        assert await size(working) == 8


async def test_a_run_that_is_deleted_while_its_snapshot_is_written_stays_deleted(store: Store) -> None:
    await make_run(store, tasks=5)
    run = await store.runs.find(RUN)
    await store.runs.delete(RUN)
    deleted = await dump(store.redis)
    await store.runs.mend(run)
    assert await dump(store.redis) == deleted


@pytest.mark.one_server  # in a cluster its nodes do not lose the same
async def test_tasks_that_are_lost_before_a_run_hears_of_them_are_added_again(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_run(store, tasks=5)
    kept = await dump(store.redis)
    await add_unheard(store, "lost")
    before_script(monkeypatch, "grow", lambda: fall_back(store.redis, kept))
    assert await size(other_store) == 8
    assert len((await select(store, 8)).tasks) == 8


async def without_list(store: Store) -> dict[str, Any]:
    """`RUN` has followed what its pool retired, of which the list is gone; what Redis holds then."""
    await make_run(store)
    await store.retirements.retire(POOL, ["t1"], "excluded")
    await store.redis.execute_command("UNLINK", pool_keys(POOL).retirements)
    return await dump(store.redis)


def lost_once_read(
    store: Store,
    kept: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[], Awaitable[object]],
) -> list[set[str]]:
    """Let a change come before what a run withholds is read in its log, and be lost behind that; what was read."""
    read, told = Retirements._withheld, list[set[str]]()

    async def reading(self: Retirements, pool: str, run: str) -> object:
        monkeypatch.setattr(Retirements, "_withheld", read)
        await change()
        found = await read(self, pool, run)
        told.append(found[0])
        await fall_back(store.redis, kept)
        return found

    monkeypatch.setattr(Retirements, "_withheld", reading)
    return told


@pytest.mark.one_server
async def test_a_run_does_not_follow_by_what_redis_has_lost_of_its_log(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is back where it was when its log began to be read, and what was read is not there any more."""
    kept = await without_list(store)
    run = await store.runs.find(RUN)
    change = partial(other_store.retirements.retire, POOL, ["t3"], "excluded")
    told = lost_once_read(store, kept, monkeypatch, change)
    await store.retirements.follow(POOL, RUN, run.pool_incarnation)
    assert told == [{"t3"}]
    assert await retired(store) == await store.retirements.retired(POOL) == set()


@pytest.mark.one_server
async def test_a_run_whose_deletion_is_lost_does_not_follow_by_the_log_that_was_gone(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was withheld by that, and the run would go on withholding what its pool does not."""
    kept = await without_list(store)
    run = await store.runs.find(RUN)
    lost_once_read(store, kept, monkeypatch, partial(other_store.runs.delete, RUN))
    await store.retirements.follow(POOL, RUN, run.pool_incarnation)
    assert await retired(store) == await store.retirements.retired(POOL) == set()
