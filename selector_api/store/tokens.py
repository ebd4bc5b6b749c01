"""Bearer tokens: kept as hashes, each with a name, its scopes, and the runs and pools that it is limited to."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from selector_api.store.codec import dumps
from selector_api.store.connection import StoreClient
from selector_api.store.errors import StoreUnavailable, TokenConflict
from selector_api.store.keys import TOKENS

_PREFIX = "bots_"
_FRESH_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_PATIENCE_SECONDS = 1.0
_ANYTHING = ("*",)


@dataclass(frozen=True)
class Token:
    """What is known of a token; the token itself is not kept."""

    name: str
    scopes: frozenset[str]
    created: int
    """Unix seconds."""
    runs: tuple[str, ...] = _ANYTHING
    """Names of the runs that it may be used for, and beginnings of such names, each followed by `*`."""
    pools: tuple[str, ...] = _ANYTHING
    """The same for pools."""

    @property
    def is_limited(self) -> bool:
        """Whether there are runs or pools that it is not for."""
        return "*" not in self.runs or "*" not in self.pools

    def is_for_run(self, run: str) -> bool:
        """Whether it may be used for this run."""
        return _any_fits(self.runs, run)

    def is_for_pool(self, pool: str) -> bool:
        """Whether it may be used for this pool."""
        return _any_fits(self.pools, pool)


def _any_fits(patterns: Iterable[str], name: str) -> bool:
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern for pattern in patterns
    )


class Tokens:
    """The tokens of a service. A deleted one is refused within 5 s, a new one taken within half a second.

    While Redis is away, what was known of them before stands.
    """

    def __init__(self, redis: StoreClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._records: dict[str, bytes] = {}
        self._known: dict[str, Token] = {}
        """Those of the records that were looked at."""
        self._read_at: float | None = None

    async def create(
        self,
        name: str,
        scopes: Iterable[str],
        runs: Iterable[str] = _ANYTHING,
        pools: Iterable[str] = _ANYTHING,
    ) -> str:
        """Make a token and return it: the only time that it can be seen. For the limits see `Token`.

        Raises:
            TokenConflict: there is one of this name.
        """
        if any(token.name == name for token in await self.list()):
            raise TokenConflict(name)
        text = _PREFIX + secrets.token_urlsafe(32)
        await self._keep(name, scopes, text, runs, pools)
        return text

    async def put(
        self,
        name: str,
        scopes: Iterable[str],
        texts: Iterable[str],
        runs: Iterable[str] = _ANYTHING,
        pools: Iterable[str] = _ANYTHING,
    ) -> None:
        """Make these the tokens of this name, and no others. Again, it changes nothing.

        Raises:
            TokenConflict: one of them is the token of another name.
        """
        scopes, runs, pools = frozenset(scopes), tuple(sorted(runs)), tuple(sorted(pools))
        given = {_digest(text): text for text in texts}
        await self._read()
        known = self._all()
        for digest in given:
            if digest in known and known[digest].name != name:
                raise TokenConflict(known[digest].name)
        for digest, text in given.items():
            token = known.get(digest)
            if token is None or (token.scopes, token.runs, token.pools) != (scopes, runs, pools):
                await self._keep(name, scopes, text, runs, pools)
        replaced = [digest for digest, token in known.items() if token.name == name and digest not in given]
        if replaced:
            await self._redis.hdel(TOKENS, *replaced)
            self._read_at = None

    async def list(self) -> list[Token]:
        """All tokens, by name."""
        await self._read()
        return sorted(self._all().values(), key=lambda token: token.name)

    async def delete(self, name: str) -> bool:
        """Delete the token of this name; whether there was one."""
        await self._read()
        digests = [digest for digest, token in self._all().items() if token.name == name]
        if digests:
            await self._redis.hdel(TOKENS, *digests)
            self._read_at = None
        return bool(digests)

    async def any(self) -> bool:
        """Whether there is any token, as of at most five seconds ago; that there is none, as of half a second."""
        if self._age() > (_FRESH_SECONDS if self._records else _RETRY_SECONDS):
            await self._refresh()
        return bool(self._records)

    async def lookup(self, text: str) -> Token | None:
        """What this bearer token is, None if it is not one."""
        digest = _digest(text)
        found = self._find(digest)
        if self._age() > (_FRESH_SECONDS if found else _RETRY_SECONDS):
            await self._refresh()
            found = self._find(digest)
        return found

    def _find(self, digest: str) -> Token | None:
        """The token of this hash.

        How long that takes may tell of the hashes that are kept, but nobody can make a token with a certain one.
        """
        token, record = self._known.get(digest), self._records.get(digest)
        if token is None and record is not None:
            token = self._known[digest] = _token(json.loads(record))
        return token

    def _all(self) -> dict[str, Token]:
        """All tokens by their hashes."""
        return {digest: token for digest in self._records if (token := self._find(digest))}

    async def _keep(
        self, name: str, scopes: Iterable[str], text: str, runs: Iterable[str], pools: Iterable[str]
    ) -> None:
        record = {
            "name": name,
            "scopes": sorted(scopes),
            "created": int(time.time()),
            "runs": sorted(runs),
            "pools": sorted(pools),
        }
        await self._redis.hset(TOKENS, _digest(text), dumps(record))
        self._read_at = None

    def _age(self) -> float:
        return float("inf") if self._read_at is None else self._clock() - self._read_at

    async def _refresh(self) -> None:
        if self._read_at is None:
            await self._read()
            return
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._read()
        except (StoreUnavailable, TimeoutError):
            self._read_at = self._clock()

    async def _read(self) -> None:
        records = await self._redis.read_hash(TOKENS)
        self._records = {digest.decode(): record for digest, record in records.items()}
        self._known = {}
        self._read_at = self._clock()


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _token(record: Mapping[str, Any]) -> Token:
    return Token(
        record["name"],
        frozenset(record["scopes"]),
        record["created"],
        tuple(record.get("runs", _ANYTHING)),  # those of 0.1 have no limits
        tuple(record.get("pools", _ANYTHING)),
    )
