from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from selector_api.store.connection import StoreClient, connect
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.store import Store, open_store
from tests.cluster.kinds import Kind, Servers, servers_of


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def servers(redis_kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers | None]:
    """What stands for the Valkey; other tests keep nothing there."""
    with servers_of(redis_kind, tmp_path_factory.mktemp("servers"), "everysec") as made:
        yield made


@pytest.fixture(scope="session")
async def valkey(
    servers: Servers | None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[EmbeddedValkey | Servers]:
    """A Valkey for all tests of the store, or what stands for it; only the former can be reached into."""
    if servers is not None:
        yield servers
        return
    async with EmbeddedValkey(tmp_path_factory.mktemp("valkey"), fsync="everysec") as server:
        yield server


@pytest.fixture
async def redis(valkey: EmbeddedValkey | Servers) -> AsyncIterator[StoreClient]:
    """A client of this Valkey, which is empty at the test's start."""
    async with connect(valkey.url) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def store(valkey: EmbeddedValkey | Servers, redis: StoreClient) -> AsyncIterator[Store]:
    """A store on this Valkey, which is empty at the test's start."""
    async with open_store(valkey.url) as opened:
        yield opened


@pytest.fixture
async def other_store(valkey: EmbeddedValkey | Servers, store: Store) -> AsyncIterator[Store]:
    """A second store on the same Valkey, as another process has it: they share nothing else."""
    async with open_store(valkey.url) as opened:
        yield opened
