"""A store on a small cluster, and on what sentinels watch over, while both change under it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.crc import key_slot

from selector_api.store import routing
from selector_api.store.connection import StoreClient, check_server, connect
from selector_api.store.errors import StoreUnavailable, UnsupportedServer
from selector_api.store.keys import run_keys
from selector_api.store.store import Store, open_store
from tests.cluster.clusters import Cluster, cluster
from tests.cluster.sentinels import NAME, Watched, watched
from tests.store.helpers import POOL, RUN, make_run, select, work

pytestmark = [pytest.mark.anyio, pytest.mark.one_server]

PATIENCE_MS = 60_000
"""After which a server counts as gone: never, in these tests."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), PATIENCE_MS) as made:
        yield made


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("watched"), PATIENCE_MS) as made:
        yield made


@pytest.fixture(params=["nodes", "servers"])
def url(request: pytest.FixtureRequest) -> str:
    """Of an empty cluster, or of an empty server under sentinels."""
    return request.getfixturevalue(request.param).url


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with open_store(url) as opened:
        await opened.redis.flushall()
        await make_run(opened)
        yield opened


async def test_all_is_as_on_one_server(store: Store) -> None:
    await check_server(store.redis)
    assert await store.redis.ping()
    await work(store, "one")
    assert (await store.names.runs(), await store.names.pools()) == ([RUN], [POOL])
    token = await store.tokens.create("trainer", ["train"])
    assert await store.tokens.lookup(token) is not None


@pytest.mark.parametrize("url", ["nodes"], indirect=True)
async def test_a_slot_is_followed_while_it_is_on_its_way(
    store: Store, nodes: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = run_keys(RUN).meta
    slot, source = key_slot(key.encode()), nodes.master_of(key)
    target = next(node for node in nodes.masters().values() if node is not source)
    await work(store, "here")
    nodes.begin_to_move(slot, source, target)
    with monkeypatch.context() as patched:
        patched.setattr(routing, "_PATIENCE_SECONDS", 0.1)
        with pytest.raises(StoreUnavailable, match="Multiple keys request during rehashing of slot"):
            await work(store, "neither here nor there")
        nodes.move_keys(slot, source, target)
        assert await store.redis.read_fields(key, "pool") == [POOL.encode()]  # by ASK
    nodes.end_move(slot, source, target)
    await work(store, "there")
    assert nodes.master_of(key) is target


@pytest.mark.parametrize("url", ["nodes"], indirect=True)
async def test_a_master_of_a_cluster_becomes_a_replica(store: Store, nodes: Cluster) -> None:
    await work(store, "before")
    former = nodes.master_of(run_keys(RUN).meta)
    nodes.hand_over(former)
    await work(store, "after")
    assert nodes.master_of(run_keys(RUN).meta) is not former


@pytest.mark.parametrize("url", ["servers"], indirect=True)
async def test_sentinels_choose_another_master(store: Store, servers: Watched) -> None:
    await work(store, "before")
    servers.hand_over()
    await work(store, "after")


@pytest.mark.parametrize("url", ["servers"], indirect=True)
async def test_a_former_master_that_is_back_gets_no_writes(store: Store, servers: Watched) -> None:
    """Who had nothing to ask meanwhile finds his connections closed, and must not make new ones to it."""
    await work(store, "before")
    former = servers.master()
    former.kill()
    servers.choose_another()
    former.start()
    await work(store, "after")
    assert servers.master().client.hexists(run_keys(RUN).idempotency, "select:after")


async def refusal(url: str) -> str:
    redis: StoreClient = connect(url)
    try:
        with pytest.raises((UnsupportedServer, StoreUnavailable)) as caught:
            await check_server(redis)
        return str(caught.value)
    finally:
        await redis.aclose()


async def test_a_server_that_is_not_what_the_address_says_is_refused(
    nodes: Cluster, servers: Watched
) -> None:
    master, sentinel = servers.master(), servers.sentinels[0]
    replica = next(server for server in servers.servers if server is not master)
    at = "redis://127.0.0.1:"
    assert "give redis+cluster://" in await refusal(f"{at}{nodes.nodes[0].port}")
    assert "give redis+sentinel://" in await refusal(f"{at}{sentinel.port}")
    assert f"a Redis replica of 127.0.0.1:{master.port}" in await refusal(f"{at}{replica.port}")
    assert "cluster support disabled" in await refusal(f"redis+cluster://127.0.0.1:{master.port}")
    assert "no sentinel tells where" in await refusal(f"redis+sentinel://127.0.0.1:{sentinel.port}/other")
    assert "no sentinel tells where" in await refusal(f"redis+sentinel://127.0.0.1:{master.port}/{NAME}")


@pytest.mark.parametrize("url", ["nodes"], indirect=True)
async def test_nodes_that_are_gone_are_named(
    store: Store, nodes: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of these: nothing of the cluster is left."""
    monkeypatch.setattr(routing, "_PATIENCE_SECONDS", 0.2)
    await work(store, "one")
    gone = nodes.master_of(run_keys(RUN).meta)
    gone.kill()
    with pytest.raises(StoreUnavailable, match=str(gone.port)):
        await select(store)
    with pytest.raises(StoreUnavailable, match=str(gone.port)):
        await store.redis.ping()
    nodes.end()
    with pytest.raises(StoreUnavailable, match="no node of the cluster tells where keys are"):
        await store.redis.ping()
