"""Redis fails over and connections to the former primary survive; refusals say what is the matter with Redis."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from selector_api.store import connection, routing
from selector_api.store.connection import connect
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.errors import StoreUnavailable
from selector_api.store.keys import RUN_NAMES
from selector_api.store.store import Store, open_store
from tests.store.helpers import make_run, read_types, report, select
from tests.valkeys import Address, Valkey

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def two_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Valkey, Valkey]]:
    folder = tmp_path_factory.mktemp("servers")
    with Valkey(folder / "one") as one, Valkey(folder / "two") as two:
        yield one, two


@pytest.fixture
def pair(two_servers: tuple[Valkey, Valkey]) -> tuple[Valkey, Valkey]:
    """An empty primary and its replica."""
    primary, replica = two_servers
    primary.promote()
    primary.admin.flushall()
    replica.follow(primary)
    return primary, replica


def fail_over(primary: Valkey, replica: Valkey) -> None:
    """The replica has all and becomes the primary; the former primary becomes its replica."""
    primary.admin.wait(1, 10_000)
    replica.promote()
    primary.follow(replica)


async def test_calls_go_on_behind_the_address_though_old_connections_survive(
    pair: tuple[Valkey, Valkey], tmp_path: Path
) -> None:
    primary, replica = pair
    address = Address(tmp_path / "address", primary)
    async with open_store(address.url) as store:
        await make_run(store, tasks=40)
        selection = await select(store)
        fail_over(primary, replica)
        address.lead_to(replica)
        reported = await report(store, selection, selection.tasks)
        assert reported.committed
        await select(store)
        assert (await read_types(store))[-3:] == ["selected", "committed", "selected"]


async def test_connections_at_work_during_a_failover_are_given_up_too(
    pair: tuple[Valkey, Valkey], tmp_path: Path
) -> None:
    primary, replica = pair
    address = Address(tmp_path / "address", primary)
    client = connect(address.url)
    pool = client.connection_pool
    at_work = await pool.get_connection()
    await client.ping()  # by another one
    fail_over(primary, replica)
    address.lead_to(replica)
    await client.set("bots:test", "1")
    await pool.release(at_work)
    ports = {(await client.config_get("port"))["port"] for _ in range(4)}
    assert ports == {str(replica.port)}
    await client.aclose()


async def test_readiness_asks_for_the_role_and_finds_the_new_primary_by_itself(
    pair: tuple[Valkey, Valkey], tmp_path: Path
) -> None:
    primary, replica = pair
    address = Address(tmp_path / "address", primary)
    client = connect(address.url)
    await client.check_primary()
    fail_over(primary, replica)
    with pytest.raises(StoreUnavailable) as caught:
        await client.check_primary()
    assert "read-only" in caught.value.detail
    address.lead_to(replica)
    await client.check_primary()
    await client.aclose()


async def test_a_replica_refuses_in_words(pair: tuple[Valkey, Valkey]) -> None:
    async with open_store(pair[1].url) as store:
        with pytest.raises(StoreUnavailable) as caught:
            await make_run(store)
    assert caught.value.detail == (
        "Redis is read-only, as a Redis replica is after a failover; try again shortly"
    )


@pytest.mark.parametrize(
    ("setting", "value", "normal", "words"),
    [
        ("maxmemory", "1", "0", "is full: its maxmemory"),
        ("min-replicas-to-write", "9", "0", "too few Redis replicas"),
    ],
)
async def test_a_server_that_takes_no_writes_says_why(
    store: Store, setting: str, value: str, normal: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_run(store)
    monkeypatch.setattr(routing, "_PATIENCE_SECONDS", 0.1)
    await store.redis.config_set(setting, value)
    try:
        with pytest.raises(StoreUnavailable) as caught:
            await select(store)
    finally:
        await store.redis.config_set(setting, normal)
    assert words in caught.value.detail
    await select(store)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("LOADING", "is loading its data"),
        ("MASTERDOWN", "does not reach its primary"),
        ("MISCONF", "cannot write to its disk"),
        ("BUSY", "is busy with a script"),
    ],
)
async def test_refusals_that_are_hard_to_provoke_say_why(
    store: Store, code: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script answers as the server would."""
    monkeypatch.setattr(routing, "_PATIENCE_SECONDS", 0.1)
    refusal = f"return redis.error_reply('{code} and so on')"
    with pytest.raises(StoreUnavailable) as caught:
        await store.redis.execute_command("EVAL", refusal, 1, RUN_NAMES)
    assert words in caught.value.detail


@pytest.mark.one_server  # in tests/cluster the nodes that are gone are named
async def test_a_server_that_is_away_says_so(
    store: Store, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_DEADLINE_SECONDS", 0.2)
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable) as caught:
            await store.redis.ping()
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    assert caught.value.detail == "Redis does not answer; try again shortly"
