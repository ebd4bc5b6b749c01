"""Whether a Redis and a data folder are as the service needs them, in words for whoever runs it."""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from selector_api.store.connection import StoreClient, check_server
from selector_api.store.errors import StoreError
from selector_api.store.tokens import Tokens

LARGEST_CLOCK_DIFFERENCE = 5.0
"""Seconds between Redis' clock, by which leases end, and this machine's, by which people read logs."""
FULL = 0.9
"""Share of `maxmemory` from which on it is time to do something."""
LEAST_FREE_BYTES = 1 << 30
_PROBE = "bots:doctor"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. A note is what only the operator can judge."""

    verdict: Literal["ok", "note", "wrong"]
    words: str


async def of_server(redis: StoreClient, *, is_embedded: bool = False) -> AsyncIterator[Finding]:
    """What is found out about a Redis, or the embedded Valkey, by asking it; nothing more if it does not answer."""
    started = time.monotonic()
    try:
        await check_server(redis)
        milliseconds = 1000 * (time.monotonic() - started)
        servers: list[tuple[Redis, Mapping[str, Any]]] = [
            (server, cast("Mapping[str, Any]", await cast("Any", server).info()))
            for server in await redis.servers()
        ]
    except (StoreError, RedisError) as error:
        yield Finding("wrong", str(error))
        return
    for server, info in servers:
        name = "Valkey" if "valkey_version" in info else "Redis"
        yield Finding(
            "ok", f"{name} {info[f'{name.lower()}_version']} answers and takes writes ({milliseconds:.0f} ms)"
        )
        for finding in (*_durability(info), *_failovers(info), _memory(info, is_embedded)):
            yield finding
        yield await _fsync(server)
        yield await _clock(server)
    yield await _rights(redis, servers[0][0], is_embedded)
    yield await _tokens(redis)


def of_folder(folder: Path) -> Iterator[Finding]:
    """What is found out about a data folder by looking at it."""
    disk = shutil.disk_usage(folder)
    words = f"the disk of {folder} has {disk.free / 1e9:.1f} GB free of {disk.total / 1e9:.1f}"
    if disk.free < LEAST_FREE_BYTES:
        yield Finding("wrong", f"{words}: when it is full nothing can be written any more")
    else:
        yield Finding("ok", words)
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        yield Finding("note", f"others may look into {folder} (its data are private all the same): chmod 700")


def _durability(info: Mapping[str, Any]) -> Iterator[Finding]:
    if info.get("aof_enabled") == 1:
        yield Finding("ok", "it logs its writes (appendonly yes)")
    else:
        yield Finding(
            "wrong", "it does not log its writes: a restart of it loses data. Set appendonly to yes"
        )
    for field, of_what in (("aof_last_write_status", "write"), ("aof_last_bgrewrite_status", "rewrite")):
        if info.get(field, "ok") != "ok":
            yield Finding("wrong", f"its last {of_what} of the log failed: look at its disk and its own log")
    policy = info.get("maxmemory_policy")
    if policy == "noeviction":
        yield Finding("ok", "it evicts nothing (maxmemory-policy noeviction)")
    else:
        yield Finding("wrong", f"it may evict data: maxmemory-policy is {policy}. Set it to noeviction")


def _failovers(info: Mapping[str, Any]) -> Iterator[Finding]:
    replicas = info.get("connected_slaves", 0)
    if not replicas:
        return
    if "min_slaves_good_slaves" in info:  # told where a least number is set
        yield Finding("ok", "it takes no writes without a Redis replica that follows (min-replicas-to-write)")
    else:
        yield Finding(
            "note",
            f"it has {replicas} Redis replicas and takes writes without any: what a failover can take has no "
            "bound. Set min-replicas-to-write and min-replicas-max-lag",
        )


def _memory(info: Mapping[str, Any], is_embedded: bool) -> Finding:
    used, most = info["used_memory"], info.get("maxmemory", 0)
    if not most:
        words = f"it uses {used / 1e6:.0f} MB, and nothing limits it"
        return Finding("ok", words) if is_embedded else Finding("note", f"{words}: set maxmemory")
    words = f"it uses {used / 1e6:.0f} MB of {most / 1e6:.0f}"
    if used > FULL * most:
        return Finding(
            "wrong", f"{words}: raise maxmemory, or delete runs. When it is full writes are refused"
        )
    return Finding("ok", words)


async def _fsync(server: Redis) -> Finding:
    try:
        fsync = (await cast("Any", server).config_get("appendfsync")).get("appendfsync")
    except (StoreError, RedisError):
        return Finding("note", "it does not tell when it flushes to disk (appendfsync): look yourself")
    if fsync == "always":
        return Finding("ok", "it flushes every write to disk (appendfsync always)")
    return Finding("note", f"appendfsync is {fsync}: a power loss can take the last second or two")


async def _rights(redis: StoreClient, server: Redis, is_embedded: bool) -> Finding:
    try:
        await redis.set(_PROBE, 1, px=1000)
        await redis.eval("return redis.call('DEL', KEYS[1])", 1, _PROBE)
        user = str(await cast("Any", server).acl_whoami())
    except (StoreError, RedisError) as error:
        return Finding("wrong", f"the service cannot write there: {error}")
    if user == "default" and not is_embedded:
        return Finding("note", "the service is the user default; one of its own needs fewer rights")
    return Finding("ok", f"the service writes there as the user {user}")


async def _clock(server: Redis) -> Finding:
    before = time.time()
    try:
        seconds, microseconds = await cast("Any", server).time()
    except (StoreError, RedisError) as error:
        return Finding("wrong", f"its clock cannot be asked: {error}")
    difference = seconds + microseconds / 1e6 - (before + time.time()) / 2
    if abs(difference) > LARGEST_CLOCK_DIFFERENCE:
        way = "ahead of" if difference > 0 else "behind"
        return Finding(
            "wrong", f"its clock is {abs(difference):.0f} s {way} this machine's: leases end by it"
        )
    return Finding("ok", "its clock and this machine's agree")


async def _tokens(redis: StoreClient) -> Finding:
    with suppress(StoreError, RedisError):
        tokens = await Tokens(redis).list()
        if not tokens:
            return Finding("note", "there is no token: the service is open, and serves on loopback alone")
        if not any("admin" in token.scopes for token in tokens):
            return Finding(
                "note", f"{len(tokens)} tokens, none of scope admin: nobody can make pools and runs"
            )
        return Finding("ok", f"{len(tokens)} tokens: {', '.join(sorted(token.name for token in tokens))}")
    return Finding("wrong", "its tokens cannot be read")
