"""What `bots doctor` finds, on real servers with planted mistakes."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from selector_api.store import health
from selector_api.store.connection import connect
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.tokens import Tokens
from tests.servers import valkey_with_user
from tests.valkeys import Valkey

pytestmark = pytest.mark.anyio


async def findings(url: str, *, is_embedded: bool = False, **settings: str) -> dict[str, str]:
    """What is found of a server that has these settings, by verdict."""
    async with connect(url) as redis:
        for name, value in settings.items():
            await redis.config_set(name.replace("_", "-"), value)
        said: dict[str, str] = {"ok": "", "note": "", "wrong": ""}
        async for each in health.of_server(redis, is_embedded=is_embedded):
            said[each.verdict] += f"{each.words}\n"
    return said


async def test_an_embedded_valkey_is_in_order(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server:
        async with connect(server.url) as redis:
            await Tokens(redis).create("root", ["admin"])
        said = await findings(server.url, is_embedded=True)
    assert said["wrong"] == said["note"] == ""
    for words in (
        "Valkey",
        "takes writes",
        "appendonly yes",
        "noeviction",
        "always",
        "clock",
        "tokens: root",
    ):
        assert words in said["ok"]


async def test_each_setting_that_loses_data_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.time, "time", lambda: 0.0)
    async with EmbeddedValkey(tmp_path) as server:
        settings = {"appendonly": "no", "maxmemory_policy": "allkeys-lru", "appendfsync": "everysec"}
        said = await findings(server.url, is_embedded=False, **settings, maxmemory="1mb")
        assert "Set appendonly to yes" in said["wrong"]
        assert "maxmemory-policy is allkeys-lru" in said["wrong"]
        assert "raise maxmemory, or delete runs" in said["wrong"]
        assert "ahead of this machine's: leases end by it" in said["wrong"]
        assert "appendfsync is everysec" in said["note"]
        assert "there is no token" in said["note"]
        async with connect(server.url) as redis:
            await redis.config_set("maxmemory", "0")
            await Tokens(redis).create("reader", ["read"])
        notes = (await findings(server.url))["note"]
        for words in ("is the user default", "nothing limits it: set maxmemory", "none of scope admin"):
            assert words in notes
        async with connect(server.url) as redis:
            await redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        assert (
            "this is a Redis replica of 127.0.0.1:1, which takes no writes"
            in (await findings(server.url))["wrong"]
        )


async def test_a_failover_that_can_lose_without_bound_is_named(tmp_path: Path) -> None:
    with Valkey(tmp_path / "one") as primary, Valkey(tmp_path / "two") as replica:
        assert "replica" not in "".join((await findings(primary.url)).values())
        replica.follow(primary)
        primary.until("it follows", lambda: primary.info()["connected_slaves"] == 1)
        assert "Set min-replicas-to-write" in (await findings(primary.url))["note"]
        said = await findings(primary.url, min_replicas_to_write="1", min_replicas_max_lag="2")
        assert "min-replicas-to-write" in said["ok"]
        assert "Set min-replicas-to-write" not in said["note"]


async def test_the_user_of_the_documents_has_the_rights(tmp_path: Path) -> None:
    with valkey_with_user(tmp_path, "password") as port:
        said = await findings(f"redis://selector:password@127.0.0.1:{port}/0")
        assert said["wrong"] == ""
        assert "writes there as the user selector" in said["ok"]
        wrong = (await findings(f"redis://selector:other@127.0.0.1:{port}/0"))["wrong"]
        assert "invalid username-password pair" in wrong


async def test_a_user_without_rights_is_told(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as server:
        async with connect(server.url) as redis:
            await redis.execute_command(
                "ACL", "SETUSER", "reader", "on", "nopass", "~*", "+@read", "+info", "+auth"
            )
        said = await findings(f"{server.url}?username=reader&password=x")
    assert "the service cannot write there" in said["wrong"]
    assert "its tokens" not in said["wrong"]
    assert "does not tell when it flushes" in said["note"]


async def test_what_a_full_disk_or_an_open_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    tmp_path.chmod(0o700)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, 10**11))
    assert [each.verdict for each in health.of_folder(tmp_path)] == ["ok"]
    tmp_path.chmod(0o755)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, 10**8))
    said: list[Any] = list(health.of_folder(tmp_path))
    assert [each.verdict for each in said] == ["wrong", "note"]
    assert "0.1 GB free" in said[0].words
    assert "chmod 700" in said[1].words
