import asyncio
import math

import numpy as np
import pytest

from selector_api.core.config import RunConfig
from selector_api.core.task_rows import TaskRows
from selector_api.store import pools as pools_module
from selector_api.store import task_chunks
from selector_api.store.connection import StoreClient
from selector_api.store.keys import pool_keys, run_keys
from selector_api.store.pool_parts import Added
from selector_api.store.refusals import (
    PoolInUse,
    RunConflict,
    TaskConflict,
    TooManyReferences,
    UnknownPool,
    UnknownRun,
)
from selector_api.store.store import Store
from tests.store.helpers import POOL, RUN, make_run, read_events, read_types, task_rows

pytestmark = pytest.mark.anyio


async def test_a_pool_is_created_once(store: Store, other_store: Store) -> None:
    assert await store.pools.create(POOL)
    assert not await other_store.pools.create(POOL)
    assert len(await other_store.pools.table(POOL)) == 0


async def test_there_is_no_pool_before_it_is_created(store: Store) -> None:
    for call in (
        store.pools.table(POOL),
        store.pools.add_tasks(POOL, task_rows(1)),
        store.pools.register(POOL, RUN),
        store.pools.delete(POOL),
    ):
        with pytest.raises(UnknownPool):
            await call


async def test_tasks_are_read_by_other_processes_as_they_were_sent(store: Store, other_store: Store) -> None:
    await store.pools.create(POOL)
    rows = TaskRows.of(
        ["a", "ü", "c"], ["x", "default", "x"], [{"weak": 0.1, "strong": 1 / 3}, {}, {"weak": 1}]
    )
    assert await store.pools.add_tasks(POOL, rows) == Added(inserted=3, unchanged=0, tasks=3)
    table = await other_store.pools.table(POOL)
    assert table.ids(np.arange(3)) == rows.ids.tolist()
    assert [table.domains[code] for code in table.domain_codes] == ["x", "default", "x"]
    np.testing.assert_array_equal(table.reference("weak"), [0.1, math.nan, 1.0])
    np.testing.assert_array_equal(table.reference("strong"), [1 / 3, math.nan, math.nan])


async def test_the_copy_follows_what_others_add(store: Store, other_store: Store) -> None:
    await store.pools.create(POOL)
    for number, prefix in enumerate("abc", 1):
        await store.pools.add_tasks(POOL, task_rows(2, prefix))
        assert len(await other_store.pools.table(POOL)) == 2 * number


async def test_tasks_that_are_there_stay(store: Store, other_store: Store) -> None:
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(3, weak=0.5))
    added = await other_store.pools.add_tasks(POOL, task_rows(5, weak=0.5))
    assert added == Added(inserted=2, unchanged=3, tasks=5)
    assert await store.pools.add_tasks(POOL, task_rows(5, weak=0.5)) == Added(0, 5, 5)


async def test_a_task_may_be_repeated_in_one_request(store: Store) -> None:
    await store.pools.create(POOL)
    rows = TaskRows.of(["a", "b", "a"], ["x", "x", "x"], [{"weak": 0.0}, {}, {"weak": -0.0}])
    assert await store.pools.add_tasks(POOL, rows) == Added(inserted=2, unchanged=1, tasks=2)


@pytest.mark.parametrize(
    "changed",
    [
        TaskRows.of(["b"], ["y"], [{"weak": 0.5}]),
        TaskRows.of(["b"], ["x"], [{"weak": 0.25}]),
        TaskRows.of(["new", "new"], ["x", "y"], [{}, {}]),
    ],
)
async def test_an_id_with_other_values_refuses_the_whole_request(store: Store, changed: TaskRows) -> None:
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, TaskRows.of(["a", "b"], ["x", "x"], [{}, {"weak": 0.5}]))
    rows = TaskRows.of(*zip(("first", "x", {}), *changed.told(), ("last", "x", {}), strict=True))
    with pytest.raises(TaskConflict) as caught:
        await store.pools.add_tasks(POOL, rows)
    assert caught.value.task == next(iter(changed.ids))
    assert len(await store.pools.table(POOL)) == 2


async def test_requests_at_the_same_time_insert_each_task_once(store: Store, other_store: Store) -> None:
    await store.pools.create(POOL)
    requests = [
        (store.pools, task_rows(30)),
        (other_store.pools, task_rows(20)),
        (store.pools, task_rows(40)),
        (other_store.pools, task_rows(40)),
    ]
    added = await asyncio.gather(*(pools.add_tasks(POOL, rows) for pools, rows in requests))
    assert sum(one.inserted for one in added) == 40
    table = await store.pools.table(POOL)
    assert sorted(table.ids(np.arange(len(table)))) == sorted(task_rows(40).ids)


async def test_large_requests_are_kept_in_several_chunks(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_chunks, "_ROWS_A_CHUNK", 10)
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(205))
    assert await store.redis.llen(pool_keys(POOL).tasks) == 21
    table = await other_store.pools.table(POOL)
    assert table.ids(np.arange(205)) == task_rows(205).ids.tolist()


async def test_added_tasks_join_the_runs_of_the_pool(store: Store) -> None:
    await make_run(store, tasks=10)
    await store.pools.add_tasks(POOL, task_rows(3, "new"))
    assert [event["tasks"] for event in await read_events(store)] == [10, 13]
    assert await read_types(store) == ["created", "grown"]


async def test_adding_again_completes_what_was_interrupted_before_the_runs_grew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_run(store, tasks=10)

    async def crash(*_: object) -> None:
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(store.pools, "grow", crash)
        with pytest.raises(InterruptedError):
            await store.pools.add_tasks(POOL, task_rows(3, "new"))
    assert await read_types(store) == ["created"]
    assert await store.pools.add_tasks(POOL, task_rows(3, "new")) == Added(0, 3, 13)
    assert await read_types(store) == ["created", "grown"]
    await store.pools.add_tasks(POOL, task_rows(3, "new"))
    assert await read_types(store) == ["created", "grown"]


async def test_a_pool_with_runs_is_in_use_until_they_are_deleted(store: Store) -> None:
    await make_run(store)
    with pytest.raises(PoolInUse) as caught:
        await store.pools.delete(POOL)
    assert caught.value.runs == [RUN]
    await store.runs.delete(RUN)
    await store.pools.delete(POOL)
    with pytest.raises(UnknownPool):
        await store.pools.table(POOL)
    assert await store.redis.dbsize() == 0


async def test_a_registration_whose_run_was_never_made_does_not_hold_the_pool(store: Store) -> None:
    await store.pools.create(POOL)
    await store.pools.register(POOL, RUN)
    await store.pools.delete(POOL)
    with pytest.raises(UnknownPool):
        await store.pools.table(POOL)


async def test_a_run_that_registers_while_the_pool_is_being_deleted_keeps_it(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(3))
    await store.pools.register(POOL, RUN)
    forget = store.pools.forget

    async def forget_late(pool: str, registrations: dict[str, str]) -> None:
        await other_store.runs.create(RUN, RunConfig(pool=POOL))
        await forget(pool, registrations)

    monkeypatch.setattr(store.pools, "forget", forget_late)
    with pytest.raises(PoolInUse):
        await store.pools.delete(POOL)
    assert len(await store.pools.table(POOL)) == 3
    assert (await store.runs.find(RUN)).tasks == 3


async def test_a_pool_deleted_and_made_again_is_read_anew(store: Store, other_store: Store) -> None:
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(5))
    assert len(await other_store.pools.table(POOL)) == 5
    await store.pools.delete(POOL)
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(2, "new"))
    table = await other_store.pools.table(POOL)
    assert table.ids(np.arange(len(table))) == ["new0", "new1"]
    assert await other_store.pools.add_tasks(POOL, task_rows(5, weak=1.0)) == Added(5, 0, 7)


async def test_an_append_to_a_pool_that_was_made_anew_meanwhile_is_validated_again(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(2))
    prepare = pools_module.prepared

    def prepare_slowly(table, rows, last_digest):
        prepared = prepare(table, rows, last_digest)
        if table and "other" not in done:
            done.append("other")  # the other's own tasks come through here, too
            asyncio.run_coroutine_threadsafe(make_anew(), loop).result()
        return prepared

    async def make_anew() -> None:
        await other_store.pools.delete(POOL)
        await other_store.pools.create(POOL)
        await other_store.pools.add_tasks(POOL, task_rows(1, "other"))

    done: list[str] = []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(pools_module, "prepared", prepare_slowly)
    assert await store.pools.add_tasks(POOL, task_rows(3)) == Added(3, 0, 4)
    assert len(await other_store.pools.table(POOL)) == 4


async def test_a_run_left_behind_by_its_deleted_pool_is_not_taken_over_by_a_new_one(store: Store) -> None:
    await make_run(store, tasks=4)
    keys = pool_keys(POOL)
    await store.redis.delete(*keys)  # what a crash between two steps can leave at worst
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(9, "other"))
    await store.redis.hset(keys.runs, RUN, "token")
    await store.pools.add_tasks(POOL, task_rows(9, "more"))
    assert await read_types(store) == ["created"]
    with pytest.raises(UnknownPool):
        await (await store.live_runs.of(RUN)).read(len_of_table)
    with pytest.raises(RunConflict, match="deleted"):
        await store.runs.create(RUN, RunConfig(POOL))
    await store.pools.delete(POOL)
    await store.runs.delete(RUN)
    with pytest.raises(UnknownRun):
        await store.runs.find(RUN)
    assert not await store.redis.exists(*run_keys(RUN))


def len_of_table(state) -> int:
    return len(state.table)


async def test_tasks_that_redis_lost_are_not_in_the_table(store: Store, redis: StoreClient) -> None:
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(3, "kept"))
    await store.pools.add_tasks(POOL, task_rows(2, "lost"))
    assert len(await store.pools.table(POOL)) == 5
    keys = pool_keys(POOL)
    await redis.rpop(keys.tasks)
    await redis.hset(keys.meta, "tasks", "3")
    assert len(await store.pools.table(POOL)) == 3
    await store.pools.add_tasks(POOL, task_rows(2, "new"))
    table = await store.pools.table(POOL)
    assert table.find([*task_rows(2, "lost").ids, *task_rows(2, "new").ids]).tolist() == [-1, -1, 3, 4]


async def test_a_pool_has_a_bounded_number_of_references(store: Store) -> None:
    await store.pools.create(POOL)
    names = {f"model-{number}": 0.5 for number in range(task_chunks.MAX_REFERENCES)}
    await store.pools.add_tasks(POOL, task_rows(1, "a", "d", **names))
    with pytest.raises(TooManyReferences):
        await store.pools.add_tasks(POOL, task_rows(1, "b", another=0.5))
    assert len(await store.pools.table(POOL)) == 1


async def test_what_is_measured_later_is_known_to_every_process_of_a_run(
    store: Store, other_store: Store
) -> None:
    await make_run(store)
    live_runs = [await each.live_runs.of(RUN) for each in (store, other_store)]
    for live_run in live_runs:
        assert (await live_run.copy()).table.reference_names == ()
    measured = TaskRows.of(["t3"], ["default"], [{"late": 0.25}])
    for extended in (1, 0):
        assert (await store.pools.add_tasks(POOL, measured)).extended == extended
        for live_run in live_runs:
            assert (await live_run.copy()).table.reference("late")[3] == 0.25
    assert await read_types(store) == ["created", "grown"]
