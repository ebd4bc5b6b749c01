"""The names of all runs and pools, in order: what lists are made from.

A name is written before what it names is made, and again afterwards, and struck out when that is deleted; so a
name may be there that is nobody's, and is left out, but not the other way round. A cluster keeps the two on several
nodes, of which one may lose what the other has kept: so whoever begins with a run or pool looks.

Releases before 0.3 wrote none: theirs are
gathered once, by a look through all keys.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

from selector_api.store.connection import StoreClient
from selector_api.store.keys import NAMED, POOL_METAS, POOL_NAMES, RUN_METAS, RUN_NAMES, name_of

_KEYS_A_LOOK = 1_000
_ALL = 10_000


class Names:
    """The names of what there is."""

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis
        self._gathered = redis.is_cluster  # which no release before 0.3 could use

    async def add_run(self, name: str) -> None:
        """Write the name of a run."""
        await self._redis.execute_command("ZADD", RUN_NAMES, 0, name)

    async def add_pool(self, name: str) -> None:
        """Write the name of a pool."""
        await self._redis.execute_command("ZADD", POOL_NAMES, 0, name)

    async def mend_run(self, name: str) -> None:
        """Write the name of a run that is there, if it is missing."""
        if await self._redis.execute_command("ZSCORE", RUN_NAMES, name) is None:
            await self.add_run(name)

    async def mend_pool(self, name: str) -> None:
        """Write the name of a pool that is there, if it is missing."""
        if await self._redis.execute_command("ZSCORE", POOL_NAMES, name) is None:
            await self.add_pool(name)

    async def drop_run(self, name: str) -> None:
        """Strike out a run that is no more."""
        await self._redis.execute_command("ZREM", RUN_NAMES, name)

    async def drop_pool(self, name: str) -> None:
        """Strike out a pool that is no more."""
        await self._redis.execute_command("ZREM", POOL_NAMES, name)

    async def runs(self, after: str = "", limit: int = _ALL) -> list[str]:
        """Names of runs behind `after`, in order."""
        return await self._names(RUN_NAMES, after, limit)

    async def pools(self, after: str = "", limit: int = _ALL) -> list[str]:
        """Names of pools behind `after`, in order."""
        return await self._names(POOL_NAMES, after, limit)

    async def _names(self, key: str, after: str, limit: int) -> list[str]:
        await self._gather()
        start = f"({after}" if after else "-"
        found = await self._redis.execute_command("ZRANGEBYLEX", key, start, "+", "LIMIT", 0, limit)
        return [name.decode() for name in found]

    async def _gather(self) -> None:
        """See that what releases before 0.3 made has its name here."""
        if self._gathered or await self._redis.execute_command("EXISTS", NAMED):
            self._gathered = True
            return
        untyped = cast("Any", self._redis)  # for redis-py does not say what it scans
        for key, pattern in ((RUN_NAMES, RUN_METAS), (POOL_NAMES, POOL_METAS)):
            keys: AsyncIterator[bytes] = untyped.scan_iter(match=pattern, count=_KEYS_A_LOOK)
            async for meta in keys:
                if meta.endswith(b"}"):
                    await self._redis.execute_command("ZADD", key, 0, name_of(meta))
        await self._redis.execute_command("SET", NAMED, 1)
        self._gathered = True
