"""The names of all runs and pools: what lists are made from."""

from __future__ import annotations

import pytest

from selector_api.store.connection import StoreClient
from selector_api.store.keys import NAMED, POOL_NAMES, RUN_NAMES
from selector_api.store.store import Store, open_store
from tests.store.helpers import POOL, RUN, make_run

pytestmark = pytest.mark.anyio


async def test_names_are_there_from_the_making_to_the_deletion(store: Store) -> None:
    await make_run(store)
    await store.pools.create("another")
    assert (await store.names.runs(), await store.names.pools()) == ([RUN], ["another", POOL])
    assert await store.names.pools("another", 1) == [POOL]
    await store.runs.delete(RUN)
    await store.pools.delete(POOL)
    assert (await store.names.runs(), await store.names.pools()) == ([], ["another"])


async def test_what_earlier_releases_made_is_found_once(store: Store, redis: StoreClient) -> None:
    await make_run(store)
    await store.pools.create("odd}:log")
    await redis.delete(RUN_NAMES, POOL_NAMES, NAMED)  # as up to 0.2
    url_of = redis.connection_pool.connection_kwargs["path"]
    async with open_store(f"unix://{url_of}") as later:
        assert (await later.names.runs(), await later.names.pools()) == ([RUN], ["odd}:log", POOL])
