"""The names of all runs and pools: what lists are made from."""

from __future__ import annotations

from typing import Any

import pytest

from selector_api.store.connection import StoreClient
from selector_api.store.errors import UnreadableData
from selector_api.store.keys import NAMED, POOL_NAMES, RUN_NAMES, pool_keys
from selector_api.store.refusals import PoolInUse, UnknownPool
from selector_api.store.store import Store, open_store
from tests.store.helpers import POOL, RUN, before_script, make_run, select, task_rows

pytestmark = pytest.mark.anyio


async def test_names_are_there_from_the_making_to_the_deletion(store: Store) -> None:
    await make_run(store)
    await store.pools.create("another")
    assert (await store.names.runs(), await store.names.pools()) == ([RUN], ["another", POOL])
    assert await store.names.pools("another", 1) == [POOL]
    await store.runs.delete(RUN)
    await store.pools.delete(POOL)
    assert (await store.names.runs(), await store.names.pools()) == ([], ["another"])


async def test_what_a_deletion_strikes_out_while_another_of_that_name_is_made_is_there(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = store.redis.hsetnx

    async def after_a_deletion(*args: Any) -> Any:
        with pytest.raises(UnknownPool):
            await other_store.pools.delete(POOL)
        return await make(*args)

    assert await store.names.pools() == []  # what earlier releases made is gathered by now
    with monkeypatch.context() as patch:
        patch.setattr(store.redis, "hsetnx", after_a_deletion)
        await store.pools.create(POOL)
    assert await store.names.pools() == [POOL]  # before whoever uses it looks
    before_script(monkeypatch, "create", lambda: other_store.names.drop_run(RUN))  # as the end of a deletion
    await make_run(store)
    assert await store.names.runs() == [RUN]


@pytest.mark.one_server
async def test_what_earlier_releases_made_is_found_once(store: Store, redis: StoreClient) -> None:
    await make_run(store)
    await store.pools.create("odd}:log")
    await redis.delete(RUN_NAMES, POOL_NAMES, NAMED)  # as up to 0.2
    url_of = redis.connection_pool.connection_kwargs["path"]
    async with open_store(f"unix://{url_of}") as later:
        assert (await later.names.runs(), await later.names.pools()) == ([RUN], ["odd}:log", POOL])


async def test_what_a_node_lost_of_them_is_there_again_once_it_is_used(
    store: Store, other_store: Store, redis: StoreClient
) -> None:
    """Names, and who draws from a pool, are on other nodes of a cluster than what they are of."""
    await make_run(store)
    await redis.delete(RUN_NAMES)
    await redis.delete(POOL_NAMES)
    await redis.delete(pool_keys(POOL).runs)
    await store.pools.add_tasks(POOL, task_rows(3, "unseen"))
    await select(other_store)
    assert (await store.names.runs(), await store.names.pools()) == ([RUN], [POOL])
    assert (await other_store.runs.find(RUN)).tasks == 13
    with pytest.raises(PoolInUse):
        await store.pools.delete(POOL)


async def test_a_pool_that_lost_tasks_of_a_run_says_how_to_mend_it(
    store: Store, other_store: Store, redis: StoreClient
) -> None:
    await make_run(store)
    await store.pools.add_tasks(POOL, task_rows(3, "later"))
    await redis.rpop(pool_keys(POOL).tasks)
    await redis.hset(pool_keys(POOL).meta, "tasks", "10")
    with pytest.raises(UnreadableData, match=r"knows 13.*in the same order"):
        await select(other_store)
    await store.pools.add_tasks(POOL, task_rows(3, "later"))
    await select(other_store)
