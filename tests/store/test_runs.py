import asyncio

import pytest

from selector_api.core.config import RunChange, RunConfig
from selector_api.core.policies import EasyToHard, Random, Shuffle
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.store.codec import dumps
from selector_api.store.keys import pool_keys, run_keys
from selector_api.store.refusals import (
    NoReferences,
    RunConflict,
    UnknownDomain,
    UnknownPool,
    UnknownReference,
    UnknownRun,
    UnknownSelection,
)
from selector_api.store.store import Store
from tests.store.helpers import (
    POOL,
    RUN,
    make_run,
    outcomes,
    read_events,
    read_types,
    select,
    task_rows,
)

pytestmark = pytest.mark.anyio

CONFIG = RunConfig(pool=POOL, seed=3)


async def make_pool(store: Store, tasks: int = 10) -> None:
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(tasks, weak=0.0, strong=1.0))


async def test_a_run_is_created_once_and_begins_its_log(store: Store, other_store: Store) -> None:
    await make_pool(store)
    assert await store.runs.create(RUN, CONFIG)
    assert not await other_store.runs.create(RUN, CONFIG)
    (event,) = await read_events(store)
    assert event["type"] == "created"
    assert event["at"] > 1_700_000_000_000
    assert (event["version"], event["run"], event["tasks"]) == (2, RUN, 10)
    assert RunConfig.from_dict(event["config"]) == CONFIG
    run = await other_store.runs.find(RUN)
    assert (run.config, run.tasks, run.pool) == (CONFIG, 10, POOL)


async def test_another_configuration_is_a_conflict(store: Store) -> None:
    await make_pool(store)
    await store.runs.create(RUN, CONFIG)
    with pytest.raises(RunConflict):
        await store.runs.create(RUN, RunConfig(pool=POOL, seed=4))
    assert (await store.runs.find(RUN)).config == CONFIG
    assert await read_types(store) == ["created"]


async def test_a_creation_whose_reply_was_lost_is_told_as_new(store: Store) -> None:
    await make_pool(store)
    pool = await store.pools.register(POOL, RUN)
    for _ in range(2):  # the second call is what the connection sends again
        status, _ = await store.runs._create(RUN, "0123456789abcdef", CONFIG, pool, None)
        assert status == b"created"
    assert await read_types(store) == ["created"]


async def test_runs_created_at_the_same_time_are_one(store: Store, other_store: Store) -> None:
    await make_pool(store)
    stores = [store, other_store] * 4
    created = await asyncio.gather(*(one.runs.create(RUN, CONFIG) for one in stores))
    assert sum(created) == 1
    assert await read_types(store) == ["created"]


async def test_a_run_needs_its_pool(store: Store) -> None:
    with pytest.raises(UnknownPool):
        await store.runs.create(RUN, CONFIG)


@pytest.mark.parametrize(
    ("config", "error", "name"),
    [
        (RunConfig(POOL, posterior=Bots(implicit=Interpolation("weak", "other"))), UnknownReference, "other"),
        (RunConfig(POOL, policy=Random({"default": 0.5, "maths": 0.5})), UnknownDomain, "maths"),
    ],
)
async def test_names_that_the_pool_does_not_know_are_refused(
    store: Store, config: RunConfig, error: type[UnknownReference | UnknownDomain], name: str
) -> None:
    await make_pool(store)
    with pytest.raises(error) as caught:
        await store.runs.create(RUN, config)
    assert name in vars(caught.value).values()
    with pytest.raises(UnknownRun):
        await store.runs.find(RUN)
    await store.pools.delete(POOL)


async def test_easy_to_hard_without_references_is_refused_but_a_run_that_has_it_goes_on(store: Store) -> None:
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(4))
    config = RunConfig(POOL, policy=EasyToHard())
    with pytest.raises(NoReferences, match="no task of pool 'pool' has any"):
        await store.runs.create(RUN, config)
    with pytest.raises(UnknownRun):
        await store.runs.find(RUN)
    await store.runs.create(RUN, RunConfig(POOL))
    with pytest.raises(NoReferences):
        await store.changes.configure(RUN, RunChange(policy=EasyToHard()))
    # As 0.2 made it, which asked for none.
    await store.redis.execute_command("HSET", run_keys(RUN).meta, "config", dumps(config.to_dict()))
    assert not await store.runs.create(RUN, config)


async def test_tasks_added_while_a_run_is_being_created_join_it(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_pool(store)
    create = store.runs._create

    async def create_late(*args) -> tuple[bytes, bytes]:
        await other_store.pools.add_tasks(POOL, task_rows(5, "new"))
        return await create(*args)

    monkeypatch.setattr(store.runs, "_create", create_late)
    await store.runs.create(RUN, CONFIG)
    assert [event["tasks"] for event in await read_events(store)] == [10, 15]


@pytest.mark.parametrize("made_anew", [False, True])
async def test_a_run_is_not_left_behind_when_its_pool_is_deleted_while_it_is_created(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch, made_anew: bool
) -> None:
    await make_pool(store)
    create = store.runs._create

    async def create_late(*args) -> tuple[bytes, bytes]:
        await other_store.pools.delete(POOL)
        if made_anew:
            await other_store.pools.create(POOL)
        return await create(*args)

    monkeypatch.setattr(store.runs, "_create", create_late)
    with pytest.raises(UnknownPool):
        await store.runs.create(RUN, CONFIG)
    assert not await store.redis.exists(*run_keys(RUN))


async def test_a_deleted_run_is_gone_and_its_name_free(store: Store) -> None:
    await make_run(store)
    selection = await select(store, key="k")
    await store.runs.delete(RUN)
    assert not await store.redis.exists(*run_keys(RUN))
    for call in (
        store.runs.find(RUN),
        store.runs.delete(RUN),
        store.logs.report(RUN, selection.selection, outcomes(selection.tasks)),
        store.logs.report_unsolicited(RUN, "k", outcomes(["t0"])),
        select(store, key="k"),
    ):
        with pytest.raises(UnknownRun):
            await call
    assert await store.runs.create(RUN, RunConfig(POOL, policy=Shuffle()))
    assert (await select(store, key="k")).selection != selection.selection
    with pytest.raises(UnknownSelection):
        await store.logs.report(RUN, selection.selection, outcomes(selection.tasks))


async def test_deleting_a_run_does_not_strike_out_one_that_is_made_at_the_same_time(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_run(store)
    forget = store.pools.forget

    async def forget_late(pool: str, registrations: dict[str, str]) -> None:
        await other_store.runs.create(RUN, RunConfig(POOL))
        await forget(pool, registrations)

    monkeypatch.setattr(store.pools, "forget", forget_late)
    await store.runs.delete(RUN)
    assert await store.redis.hexists(pool_keys(POOL).runs, RUN)
    await other_store.pools.add_tasks(POOL, task_rows(2, "new"))
    assert await read_types(store) == ["created", "grown"]
