"""Lists of a run's selections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from selector_api.store.connection import StoreClient
from selector_api.store.keys import run_keys
from selector_api.store.segments import read_events
from selector_api.store.threads import Threads

Status: TypeAlias = Literal["open", "committed", "released"]
_Row: TypeAlias = tuple[int, Status, int, bytes]
"""Of a selection the `seq` of its event, its state, of how many tasks an outcome is known, and its id."""


@dataclass(frozen=True)
class Listed:
    """A selection."""

    id: str
    seq: int
    """Of its event."""
    status: Status
    reported: int
    """Tasks of which an outcome is known."""
    expires_at: int
    """Unix ms."""
    event: Mapping[str, Any]


class Selections:
    """The selections of runs, as Redis knows them."""

    def __init__(self, redis: StoreClient, threads: Threads) -> None:
        self._redis = redis
        self._threads = threads

    async def page(
        self, run: str, status: Status | None, after: int, limit: int
    ) -> tuple[list[Listed], bool]:
        """So many of a run's selections in this state, or in any, behind an event; and whether there are more.

        Costs O(open selections) for these, else O(selections).
        """
        keys = run_keys(run)
        ends = await self._redis.read_scores(keys.leases)  # whatever is open has a lease
        if status == "open":
            found = await self._redis.read_fields(keys.selections, *ends) if ends else []
            records = {id_: record for id_, record in zip(ends, found, strict=True) if record is not None}
        else:
            records = await self._redis.read_hash(keys.selections)
        rows = await self._threads.run(_wanted, records, status, after)
        told = await asyncio.gather(*(self._listed(run, ends, *row) for row in rows[:limit]))
        return [each for each in told if each is not None], len(rows) > limit

    async def _listed(
        self, run: str, ends: Mapping[bytes, int], seq: int, status: Status, reported: int, id_: bytes
    ) -> Listed | None:
        lines = await read_events(self._redis, run, seq - 1, 1)
        if not lines:
            return None
        event = json.loads(lines[0])
        return Listed(id_.decode(), seq, status, reported, ends.get(id_, event["expires_at"]), event)


def _wanted(records: Mapping[bytes, bytes], status: Status | None, after: int) -> list[_Row]:
    """The records of selections in this state, or in any, behind an event: in the order of these."""
    rows = (_parsed(id_, record) for id_, record in records.items())
    return sorted(row for row in rows if row[0] > after and status in (None, row[1]))


def _parsed(id_: bytes, record: bytes) -> _Row:
    """A record as lua/selections.lua writes it; up to 0.2 it told the first three of these alone."""
    seq, status, known, *more = record.decode().split(":")
    entered, dropped = (int(more[0]), int(more[1])) if more else (int(known), 0)
    if status in ("open", "ending", "leaving"):
        state: Status = "open"
    else:
        state = "committed" if entered else "released"
    return int(seq), state, int(known) - dropped, id_
