import asyncio
import logging
import os
import signal
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from selector_api.store import connection
from selector_api.store.connection import StoreClient, check_server, connect
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.errors import StoreUnavailable, UnsupportedServer
from selector_api.store.store import Store, open_store
from tests.servers import LEAST
from tests.store.helpers import POOL, make_run, read_events, select, task_rows

pytestmark = [pytest.mark.anyio, pytest.mark.one_server]


async def test_no_server_is_store_unavailable(tmp_path: Path) -> None:
    client = connect(f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(StoreUnavailable):
        await client.ping()
    await client.aclose()


async def test_a_server_that_hangs_is_store_unavailable(
    store: Store, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_DEADLINE_SECONDS", 0.2)
    await make_run(store)
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await select(store)
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    monkeypatch.undo()
    await select(store)


async def test_a_broken_connection_is_made_again(redis: StoreClient) -> None:
    other = connect(f"unix://{redis.connection_pool.connection_kwargs['path']}")
    await other.ping()
    await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert await other.ping()
    await other.aclose()


async def test_more_callers_than_connections_wait_their_turn(valkey: EmbeddedValkey) -> None:
    client = connect(valkey.url, max_connections=2)
    assert all(await asyncio.gather(*(client.ping() for _ in range(50))))
    await client.aclose()


async def test_a_mistake_is_not_taken_for_an_outage(redis: StoreClient) -> None:
    with pytest.raises(ResponseError):
        await redis.execute_command("NOSUCHCOMMAND")


async def test_a_full_server_is_store_unavailable_and_nothing_is_half_written(store: Store) -> None:
    await make_run(store)
    before = await read_events(store)
    await store.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable):
            await select(store)
        with pytest.raises(StoreUnavailable):
            await store.pools.add_tasks(POOL, task_rows(5, "new"))
    finally:
        await store.redis.config_set("maxmemory", 0)
    assert await read_events(store) == before
    assert len(await store.pools.table(POOL)) == 10
    await select(store)


async def test_a_read_only_server_is_store_unavailable(store: Store) -> None:
    await make_run(store)
    await store.redis.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(StoreUnavailable):
            await select(store)
    finally:
        await store.redis.config_set("min-replicas-to-write", 0)


async def test_settings_that_lose_data_are_warned_of(
    redis: StoreClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await check_server(redis)
        assert not caplog.messages
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        try:
            await check_server(redis)
        finally:
            await redis.config_set("maxmemory-policy", "noeviction")
    assert "noeviction" in caplog.text


@pytest.mark.parametrize(
    ("told", "refused"),
    [
        ({"redis_version": "6.2.14"}, True),
        ({"redis_version": "7.0.15"}, False),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.5"}, False),
        ({"redis_version": "7.0.4", "valkey_version": "7.0.1"}, True),
    ],
)
async def test_servers_that_are_too_old_are_refused(
    redis: StoreClient, monkeypatch: pytest.MonkeyPatch, told: dict[str, str], refused: bool
) -> None:
    async def info(section: str) -> dict[str, str]:
        return told

    monkeypatch.setattr(redis, "info", info)
    if refused:
        with pytest.raises(UnsupportedServer, match="or later is needed"):
            await check_server(redis)
    else:
        await check_server(redis)


@pytest.mark.parametrize("lacks", ["-hgetall", "-hset"])
async def test_a_right_that_a_user_lacks_is_said(store: Store, valkey: EmbeddedValkey, lacks: str) -> None:
    """Of a command, and of one that a script makes."""
    await make_run(store)
    await store.redis.execute_command("ACL", "SETUSER", "few", "on", "nopass", *LEAST.split(), lacks)
    async with open_store(f"{valkey.url}?username=few&password=any") as poor:
        with pytest.raises(StoreUnavailable) as caught:
            await poor.pools.add_tasks(POOL, task_rows(1, "new"))
    assert "its ACL lacks a command" in caught.value.detail
    assert lacks[1:] in str(caught.value)
    await store.redis.execute_command("ACL", "DELUSER", "few")
