"""The names of all pools and runs, for messages.

They are found by looking through the keys, so this is only for where something is wrong.
"""

from __future__ import annotations

from selector_api.store.connection import StoreClient
from selector_api.store.keys import POOL_METAS, RUN_METAS, name_of

_KEYS_A_LOOK = 1_000
_MOST_LOOKS = 50
"""Of a server with very many keys only a part is looked through: this is a courtesy, and others wait for Redis."""


class Names:
    """The names of what there is."""

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis

    async def pools(self) -> list[str]:
        """Names of pools."""
        return await self._names(POOL_METAS)

    async def runs(self) -> list[str]:
        """Names of runs."""
        return await self._names(RUN_METAS)

    async def _names(self, pattern: str) -> list[str]:
        names: set[str] = set()
        cursor = 0
        for _ in range(_MOST_LOOKS):
            cursor, found = await self._redis.execute_command(
                "SCAN", cursor, "MATCH", pattern, "COUNT", _KEYS_A_LOOK
            )
            names.update(name_of(key) for key in found if key.endswith(b"}"))
            if cursor == 0:
                break
        return sorted(names)
