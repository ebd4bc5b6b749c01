"""The connection to Redis or Valkey."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# redis-py's own types are partial.

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    ClusterDownError,
    InvalidResponse,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from selector_api.store import tls
from selector_api.store.errors import StoreUnavailable, UnreadableData, UnsupportedServer, UnusableUrl
from selector_api.store.redis_url import Address, RedisUrl
from selector_api.store.routing import Router
from selector_api.store.timings import timed
from selector_api.store.topologies import ClusterSlots, SentinelMaster

log = logging.getLogger(__name__)

_OLDEST_REDIS = (7, 0)
_OLDEST_VALKEY = (7, 2)
_DEADLINE_SECONDS = 10.0
"""For one command with all that redis-py does around it: waiting for a connection, connecting, retrying."""
_UNAVAILABLE = (ClusterDownError, InvalidResponse, RedisConnectionError, RedisTimeoutError, TryAgainError)
_STATES = {
    "READONLY": "is read-only, as a Redis replica is after a failover",
    "MASTERDOWN": "does not reach its primary, of which it is a copy",
    "NOREPLICAS": "takes no writes, since too few Redis replicas would keep them",
    "OOM": "is full: its maxmemory has to be raised, or runs deleted",
    "MISCONF": "is full: it cannot write to its disk",
    "LOADING": "is loading its data",
    "BUSY": "is busy with a script",
    "DENIED": "lets nobody in, since it is in protected mode",
    "NOPERM": "does not let the service's user do this: its ACL lacks a command or the keys bots:*",
    "CLUSTERDOWN": "has no master for a part of its cluster",
    "TRYAGAIN": "is moving the run's slot to another node of its cluster",
}
"""What a refusal by the server says of it, by the refusal's code. These end by themselves, or when an operator has
seen to the server."""
_ELSEWHERE = ("READONLY", "MASTERDOWN", "NOREPLICAS")
"""Refusals of a server that may no longer be the one at this address: a connection outlives a failover."""
_FORBIDDEN_IN_A_SCRIPT = ("ACL failure in script", "The user executing the script can't")
_UNREADABLE = "UNREADABLE "
"""How the scripts' own refusal begins; see lua/common.lua."""


@asynccontextmanager
async def _failures_told() -> AsyncGenerator[None, None]:
    """Inside, what Redis does not do within the deadline, or refuses for a while, is `StoreUnavailable`."""
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            yield
    except TimeoutError as error:
        raise StoreUnavailable(f"Redis does not answer within {_DEADLINE_SECONDS:g} s") from error
    except RedisError as error:
        code = _code(error)
        if code in _STATES:
            raise StoreUnavailable(f"Redis is not available: {error}", _STATES[code]) from error
        if isinstance(error, _UNAVAILABLE):
            raise StoreUnavailable(f"Redis is not available: {error}", tls.state(error)) from error
        if str(error).startswith(_UNREADABLE):
            raise UnreadableData(str(error).removeprefix(_UNREADABLE)) from error
        raise


class StoreClient(Redis):
    """A Redis client whose failures to reach the server, or to be let in by it, are `StoreUnavailable`.

    Replies are bytes. Where there are several servers, a router finds the one for each command.
    """

    def __init__(self, pool: ConnectionPool, router: Router | None = None) -> None:
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self._router = router

    @property
    def is_cluster(self) -> bool:
        """Whether the keys are spread over several servers."""
        return self._router is not None and self._router.is_cluster

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and read the reply.

        Raises:
            StoreUnavailable: no connection, no reply, or the server accepts no writes at the moment.
            UnreadableData: a script found data of another version.
        """
        async with _failures_told():
            with timed("redis"):
                if self._router is not None:
                    return await self._router.send(*args, **options)
                try:
                    return await super().execute_command(*args, **options)
                except ResponseError as error:
                    if _code(error) not in _ELSEWHERE:
                        raise
                    await self._connect_anew()
                    return await super().execute_command(*args, **options)

    async def check_primary(self) -> None:
        """See that all servers are such to write to, by new connections if those that are there lead elsewhere.

        Raises:
            StoreUnavailable: one is a Redis replica, or cannot be reached.
        """
        if await self._has_replica():
            await self._connect_anew()
            if await self._has_replica():
                raise StoreUnavailable("Redis copies another one: it takes no writes", _STATES["READONLY"])

    async def _has_replica(self) -> bool:
        servers = await self.servers()
        async with _failures_told():
            roles = await asyncio.gather(*(_role(server) for server in servers))
        return "slave" in roles

    async def _connect_anew(self) -> None:
        """Give up all connections: those that are idle now, those at work when they are given back."""
        pool = self.connection_pool
        await pool.update_active_connections_for_reconnect()
        for connection in list(pool._available_connections):  # pyright: ignore[reportPrivateUsage]
            await connection.disconnect(nowait=True)  # without a pause in which somebody else could take it

    async def read_fields(self, key: str, *fields: str | bytes) -> list[bytes | None]:
        """These fields of a hash, None for each that is not there."""
        return await self.execute_command("HMGET", key, *fields)

    async def read_hash(self, key: str) -> dict[bytes, bytes]:
        """All fields of a hash."""
        return await self.execute_command("HGETALL", key)

    async def read_scores(self, key: str) -> dict[bytes, int]:
        """The members of a sorted set whose scores are whole numbers, these upwards."""
        pairs = await self.execute_command("ZRANGE", key, 0, -1, "WITHSCORES", withscores=True)
        return {member: int(float(score)) for member, score in dict(pairs).items()}

    async def servers(self) -> list[Redis]:
        """Those that take writes now: one, or all masters of a cluster.

        Raises:
            StoreUnavailable: nobody tells which.
        """
        if self._router is None:
            return [self]
        async with _failures_told():
            return await self._router.holders()

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close all connections."""
        if self._router is not None:
            await self._router.aclose()
        await super().aclose(close_connection_pool)


async def _role(server: Redis) -> str | None:
    return (await server.info("replication")).get("role")


def _code(error: RedisError) -> str:
    """The code of a refusal; redis-py takes it off those that it has a class for; that of scripts is another."""
    if any(words in str(error) for words in _FORBIDDEN_IN_A_SCRIPT):
        return "NOPERM"
    return getattr(error, "status_code", None) or str(error).partition(" ")[0]


def connect(url: str, max_connections: int = 50) -> StoreClient:
    """A client of what is at `url`, see `redis_url`. Connects when it is first used.

    A command whose connection fails is sent again a few times, although it may have taken effect: every write
    of this package is an idempotent script or sets a value that it fully determines.

    Raises:
        UnusableUrl: the URL has options that there are not, or with other values than they take.
    """
    try:
        parsed = RedisUrl.parse(url)
        tls.check_files(url)
        if parsed.kind == "server":
            return StoreClient(_pool(url, max_connections, retries=4))

        def client(address: Address) -> Redis:
            return Redis.from_pool(_pool(parsed.server(address), max_connections, retries=0))

        if parsed.kind == "cluster":
            topology = ClusterSlots(parsed.addresses, client)
        else:
            sentinels = {
                address: Redis.from_pool(_pool(parsed.sentinel(address), 4, retries=0, seconds=1))
                for address in parsed.addresses
            }
            topology = SentinelMaster(parsed.master, sentinels, client)
        never_used = _pool(parsed.server(parsed.addresses[0]), max_connections, retries=0)
        return StoreClient(never_used, Router(topology, is_cluster=parsed.kind == "cluster"))
    except (RedisError, TypeError, ValueError) as error:
        raise UnusableUrl(f"the URL of Redis cannot be used: {error}") from error


def _pool(url: str, connections: int, retries: int, seconds: float = 5.0) -> BlockingConnectionPool:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=5,
        socket_connect_timeout=seconds,
        socket_timeout=seconds,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries),
        driver_info=None,  # else CLIENT SETINFO, which Redis 7.0 does not know, and for which users need a right
    )
    pool.make_connection()  # which is where unknown options are noticed
    return pool


async def check_server(redis: StoreClient) -> None:
    """Refuse servers that cannot be used, and warn of settings under which acknowledged data can be lost.

    Raises:
        UnsupportedServer: Redis before 7.0 or Valkey before 7.2; or it is not what the URL says.
        StoreUnavailable: a server cannot be reached.
    """
    try:
        for server in await redis.servers():
            async with _failures_told():
                await _check(server, in_cluster=redis.is_cluster)
    except StoreUnavailable as error:
        pool = redis.connection_pool
        hint = tls.hint(error, is_used=issubclass(pool.connection_class, SSLConnection))
        if not hint:
            raise
        raise StoreUnavailable(f"{error}. {hint}") from error


async def _check(redis: Redis, *, in_cluster: bool) -> None:
    info = await redis.info("server")
    mode = info.get("redis_mode") or info.get("server_mode")
    if mode == "sentinel":
        raise UnsupportedServer(
            "this is a sentinel, not the server that it watches: give redis+sentinel://host:port,host:port/NAME"
        )
    if mode == "cluster" and not in_cluster:
        raise UnsupportedServer(
            "this is a node of a cluster: give redis+cluster://host:port,host:port with some of its nodes"
        )
    is_valkey = "valkey_version" in info
    name, oldest = ("Valkey", _OLDEST_VALKEY) if is_valkey else ("Redis", _OLDEST_REDIS)
    version = str(info["valkey_version" if is_valkey else "redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < oldest:
        raise UnsupportedServer(
            f"the server is {name} {version}: {name} {oldest[0]}.{oldest[1]} or later is needed"
        )
    replication = await redis.info("replication")
    if replication.get("role") == "slave":
        master = f"{replication.get('master_host')}:{replication.get('master_port')}"
        raise UnsupportedServer(
            f"this is a Redis replica of {master}, which takes no writes: give the URL of its master, or "
            "redis+sentinel://host:port,host:port/NAME if sentinels watch over it"
        )
    try:
        policy = (await redis.config_get("maxmemory-policy")).get("maxmemory-policy")
        append_only = (await redis.config_get("appendonly")).get("appendonly")
    except (ResponseError, StoreUnavailable) as error:
        if not isinstance(error.__cause__ or error, ResponseError):
            raise
        log.info("the server does not tell its settings: see that appendonly is yes and nothing is evicted")
        return
    if policy != "noeviction":
        log.warning("Redis may evict data (maxmemory-policy is %s): set it to noeviction", policy)
    if append_only != "yes":
        log.warning("Redis does not log its writes: a restart of it can lose data; set appendonly to yes")
