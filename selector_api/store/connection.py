"""The connection to Redis or Valkey."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# redis-py's own types are partial.

from __future__ import annotations

import asyncio
import logging
from typing import Any

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
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

from selector_api.store.errors import StoreUnavailable, UnreadableData, UnsupportedServer, UnusableUrl
from selector_api.store.timings import timed

log = logging.getLogger(__name__)

_OLDEST_REDIS = (7, 0)
_OLDEST_VALKEY = (7, 2)
_DEADLINE_SECONDS = 10.0
"""For one command with all that redis-py does around it: waiting for a connection, connecting, retrying."""
_UNAVAILABLE = (ClusterDownError, InvalidResponse, RedisConnectionError, RedisTimeoutError, TryAgainError)
_STATES = {
    "READONLY": "is read-only, as a replica is after a failover",
    "MASTERDOWN": "is a replica that does not reach its primary",
    "NOREPLICAS": "takes no writes, since too few replicas would keep them",
    "OOM": "is full: its maxmemory has to be raised, or runs deleted",
    "MISCONF": "is full: it cannot write to its disk",
    "LOADING": "is loading its data",
    "BUSY": "is busy with a script",
    "DENIED": "lets nobody in, since it is in protected mode",
}
"""What a refusal by the server says of it, by the refusal's code. These end by themselves, or when an operator has
seen to the server."""
_ELSEWHERE = ("READONLY", "MASTERDOWN", "NOREPLICAS")
"""Refusals of a server that may no longer be the one at this address: a connection outlives a failover."""
_UNREADABLE = "UNREADABLE "
"""How the scripts' own refusal begins; see lua/common.lua."""


class StoreClient(Redis):
    """A Redis client whose failures to reach the server, or to be let in by it, are `StoreUnavailable`.

    Replies are bytes.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and read the reply.

        Raises:
            StoreUnavailable: no connection, no reply, or the server accepts no writes at the moment.
            UnreadableData: a script found data of another version.
        """
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                with timed("redis"):
                    try:
                        return await super().execute_command(*args, **options)
                    except ResponseError as error:
                        if _code(error) not in _ELSEWHERE:
                            raise
                        await self._connect_anew()
                        return await super().execute_command(*args, **options)
        except TimeoutError as error:
            raise StoreUnavailable(f"Redis does not answer within {_DEADLINE_SECONDS:g} s") from error
        except RedisError as error:
            code = _code(error)
            if code in _STATES:
                raise StoreUnavailable(f"Redis is not available: {error}", _STATES[code]) from error
            if isinstance(error, _UNAVAILABLE):
                raise StoreUnavailable(f"Redis is not available: {error}") from error
            if str(error).startswith(_UNREADABLE):
                raise UnreadableData(str(error).removeprefix(_UNREADABLE)) from error
            raise

    async def check_primary(self) -> None:
        """See that the server is one to write to, by new connections if those that are there lead elsewhere.

        Raises:
            StoreUnavailable: it is a replica, or cannot be reached.
        """
        if await self._is_replica():
            await self._connect_anew()
            if await self._is_replica():
                raise StoreUnavailable("Redis is a replica: it takes no writes", _STATES["READONLY"])

    async def _is_replica(self) -> bool:
        return (await self.info("replication")).get("role") == "slave"

    async def _connect_anew(self) -> None:
        """Give up all connections: those that are idle now, those at work when they are given back."""
        pool = self.connection_pool
        await pool.update_active_connections_for_reconnect()
        for connection in list(pool._available_connections):  # pyright: ignore[reportPrivateUsage]
            await connection.disconnect(nowait=True)  # without a pause in which somebody else could take it

    async def read_fields(self, key: str, *fields: str) -> list[bytes | None]:
        """These fields of a hash, None for each that is not there."""
        return await self.execute_command("HMGET", key, *fields)

    async def read_hash(self, key: str) -> dict[bytes, bytes]:
        """All fields of a hash."""
        return await self.execute_command("HGETALL", key)


def _code(error: RedisError) -> str:
    """The code of a refusal; redis-py takes it off those that it has a class for."""
    return getattr(error, "status_code", None) or str(error).partition(" ")[0]


def connect(url: str, max_connections: int = 50) -> StoreClient:
    """A client of the server at `url` (redis://, rediss:// or unix://). Connects when it is first used.

    A command whose connection fails is sent again a few times, although it may have taken effect: every write
    of this package is an idempotent script or sets a value that it fully determines.

    Raises:
        UnusableUrl: the URL has options that there are not, or with other values than they take.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=max_connections,
            timeout=5,
            socket_connect_timeout=5,
            socket_timeout=_DEADLINE_SECONDS / 2,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries=4),
        )
        pool.make_connection()  # which is where unknown options are noticed
    except (RedisError, TypeError, ValueError) as error:
        raise UnusableUrl(f"the URL of Redis cannot be used: {error}") from error
    return StoreClient(pool)


async def check_server(redis: Redis) -> None:
    """Refuse a server that is too old, and warn of settings under which acknowledged data can be lost.

    Raises:
        UnsupportedServer: Redis before 7.0 or Valkey before 7.2.
        StoreUnavailable: the server cannot be reached.
    """
    info = await redis.info("server")
    is_valkey = "valkey_version" in info
    name, oldest = ("Valkey", _OLDEST_VALKEY) if is_valkey else ("Redis", _OLDEST_REDIS)
    version = str(info["valkey_version" if is_valkey else "redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < oldest:
        raise UnsupportedServer(
            f"the server is {name} {version}: {name} {oldest[0]}.{oldest[1]} or later is needed"
        )
    try:
        policy = (await redis.config_get("maxmemory-policy")).get("maxmemory-policy")
        append_only = (await redis.config_get("appendonly")).get("appendonly")
    except ResponseError:
        log.info("the server does not tell its settings: see that appendonly is yes and nothing is evicted")
        return
    if policy != "noeviction":
        log.warning("Redis may evict data (maxmemory-policy is %s): set it to noeviction", policy)
    if append_only != "yes":
        log.warning("Redis does not log its writes: a restart of it can lose data; set appendonly to yes")
