"""The Lua scripts: one atomic transition a file.

Every script is idempotent, so that a call whose reply was lost may be sent again. A script validates first
and writes afterwards. Floats and JSON pass through as text, because Lua's numbers and cjson do not keep them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any, Literal, TypeAlias

from redis.exceptions import NoScriptError

from selector_api.core.fold import LOG_VERSION
from selector_api.store import segments
from selector_api.store.connection import StoreClient
from selector_api.store.keys import PoolKeys

RunScript: TypeAlias = Literal[
    "configure",
    "create",
    "delete",
    "drop",
    "exclude",
    "forget",
    "fork",
    "grow",
    "pack",
    "release",
    "renew",
    "report",
    "report_unsolicited",
    "retire",
    "rewound",
    "save_snapshot",
    "select",
    "sync",
]
PoolScript: TypeAlias = Literal[
    "pool_append", "pool_delete", "pool_forget", "pool_read", "pool_register", "pool_retire"
]

_FOLDER = Path(__file__).parent / "lua"
_COMMON = ("common", "selections")
_PRELUDES = {"report": (*_COMMON, "outbox"), "report_unsolicited": (*_COMMON, "outbox")}
"""What stands before scripts of a run that need more than `_COMMON`."""


class Scripts:
    """The scripts of one Redis client."""

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis

    async def run(self, script: RunScript, keys: Sequence[str], *args: str | bytes | int) -> Any:
        """Call a script of a run; `keys` are `RunKeys`, and perhaps one behind them."""
        return await self._call(script, keys, args, _PRELUDES.get(script, _COMMON))

    async def pool(self, script: PoolScript, keys: PoolKeys, *args: str | bytes | int) -> Any:
        """Call a script of a pool."""
        return await self._call(script, keys, args, ("pool_common",))

    async def _call(
        self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int], prelude: tuple[str, ...]
    ) -> Any:
        digest, text = _script((*prelude, name))
        try:
            return await self._redis.execute_command("EVALSHA", digest, len(keys), *keys, *args)
        except NoScriptError:  # a server that was started anew, or that the key has come to
            return await self._redis.execute_command("EVAL", text, len(keys), *keys, *args)


@cache
def _script(parts: tuple[str, ...]) -> tuple[str, str]:
    """The SHA-1 of a script, and its text."""
    files = "\n".join((_FOLDER / f"{part}.lua").read_text() for part in parts)
    values = f"{LOG_VERSION}, {segments.EVENTS}, {segments.DIGEST_AT + 1}, '{segments.DROPPED}\\n'"
    text = f"local LOG_VERSION, SEGMENT, SEGMENT_DIGEST, DROPPED = {values}\n{files}"
    return sha1(text.encode(), usedforsecurity=False).hexdigest(), text
