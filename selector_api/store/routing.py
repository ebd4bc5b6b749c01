"""Commands to the one of several servers that holds their keys, wherever these go meanwhile.

redis-py has such a client for clusters, which is not used: its pools raise when all connections are in use; it
sends ASKING by one connection and the command by another, so that under load a slot on its way cannot be reached;
and a caller that meets a slot without a master closes the connections of all others.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# redis-py's own types are partial.

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from selector_api.store.redis_url import Address
from selector_api.store.topologies import Topology

_KEYLESS = ("CONFIG", "INFO")
"""Commands with arguments that are for every server; those without any are, too."""
_ELSEWHERE = (
    ClusterDownError,
    MasterDownError,
    ReadOnlyError,
    RedisConnectionError,
    RedisTimeoutError,
    TimeoutError,
)
"""What a server that is gone, or is no master any more, answers."""
_FOR_A_WHILE = "NOREPLICAS"
"""What a master answers that has just become one and must not write alone."""
_PATIENCE_SECONDS = 9.0
"""For which a command is sent again: less than its deadline, so that the last trouble is told."""
_REDIRECTS_AT_ONCE = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.32


class Router:
    """Sends each command to the server that holds its key; again, if that changes meanwhile.

    A command may take effect and be sent again, as by `connection.connect`.
    """

    def __init__(self, topology: Topology, *, is_cluster: bool) -> None:
        self.is_cluster = is_cluster
        self._topology = topology
        self._refreshing = asyncio.Lock()
        self._refreshes = 0

    async def send(self, *args: Any, **options: Any) -> Any:
        """Send a command and read the reply; one without a key is sent to all, and the first reply is given."""
        key = _key(args)
        if key is not None:
            return await self._send(key, args, options)
        servers: list[Any] = await self.holders()
        replies = await asyncio.gather(*(server.execute_command(*args, **options) for server in servers))
        return replies[0]

    async def holders(self) -> list[Redis]:
        """The servers that take writes now, as they are asked now."""
        await self._refresh(self._refreshes)
        return [self._topology.client(address) for address in self._topology.holders()]

    async def aclose(self) -> None:
        """Close all connections."""
        await self._topology.aclose()

    async def _send(self, key: str | bytes, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        pause, redirects = _FIRST_PAUSE, 0
        asked: Address | None = None
        while True:
            refreshes = self._refreshes
            address = asked
            try:
                if address is None:
                    if not self._topology.is_known:
                        await self._refresh(refreshes)
                    address = self._topology.holder(key)
                    return await self._topology.client(address).execute_command(*args, **options)
                asked = None
                return await _asking(self._topology.client(address), args, options)
            except MovedError as error:
                self._topology.moved(key, _named(error, address))
                trouble: Exception = error
            except AskError as error:
                asked = _named(error, address)
                trouble = error
            except TryAgainError as error:  # a part of the keys is there, and a part here
                trouble = error
            except AuthenticationError:
                raise
            except _ELSEWHERE as error:
                trouble = error
                await self._try_to_refresh(refreshes)
            except ResponseError as error:
                if not str(error).startswith(_FOR_A_WHILE):
                    raise
                trouble = error
            if time.monotonic() > deadline:
                raise trouble
            if isinstance(trouble, AskError) and redirects < _REDIRECTS_AT_ONCE:
                redirects += 1
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _try_to_refresh(self, seen: int) -> None:
        try:
            await self._refresh(seen)
        except _ELSEWHERE:
            return  # what is known stands until somebody answers

    async def _refresh(self, seen: int) -> None:
        """Ask where keys are, unless that was done since `seen`."""
        async with self._refreshing:
            if self._refreshes == seen:
                await self._topology.refresh()
                self._refreshes += 1


def _key(args: tuple[Any, ...]) -> str | bytes | None:
    command = str(args[0]).upper()
    if command in ("EVAL", "EVALSHA"):
        return args[3]
    return None if len(args) == 1 or command.startswith(_KEYLESS) else args[1]


def _named(error: AskError, asked: Address | None) -> Address:
    """Where an answer sends to; without a host it is the one that was asked."""
    host = cast("str", error.host) or (asked.host if asked else "")
    return Address(host, error.port)


async def _asking(server: Redis, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Send a command that is let in where its slot is about to come, by one connection with what allows it."""
    pipeline = server.pipeline(transaction=False)
    pipeline.execute_command("ASKING")
    pipeline.execute_command(*args, **options)
    allowed, reply = await pipeline.execute(raise_on_error=False)
    for each in (allowed, reply):
        if isinstance(each, Exception):
            raise each
    return reply
