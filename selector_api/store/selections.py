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

Status: TypeAlias = Literal["open", "committed", "released"]


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

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis

    async def page(
        self, run: str, status: Status | None, after: int, limit: int
    ) -> tuple[list[Listed], bool]:
        """So many of a run's selections in this state, or in any, behind an event; and whether there are more.

        Costs O(selections).
        """
        records = await self._redis.read_hash(run_keys(run).selections)
        rows = sorted(_parsed(id_, record) for id_, record in records.items())
        wanted = [row for row in rows if row[0] > after and status in (None, row[1])]
        found = await asyncio.gather(*(self._listed(run, *row) for row in wanted[:limit]))
        return [each for each in found if each is not None], len(wanted) > limit

    async def _listed(self, run: str, seq: int, status: Status, reported: int, id_: str) -> Listed | None:
        lines = await read_events(self._redis, run, seq - 1, 1)
        if not lines:
            return None
        event = json.loads(lines[0])
        until = await self._redis.execute_command("ZSCORE", run_keys(run).leases, id_)
        expires_at = event["expires_at"] if until is None else int(float(until))
        return Listed(id_, seq, status, reported, expires_at, event)


def _parsed(id_: bytes, record: bytes) -> tuple[int, Status, int, str]:
    """A record as lua/selections.lua writes it; up to 0.2 it told the first three of these alone."""
    seq, status, known, *more = record.decode().split(":")
    entered, dropped = (int(more[0]), int(more[1])) if more else (int(known), 0)
    if status in ("open", "ending", "leaving"):
        state: Status = "open"
    else:
        state = "committed" if entered else "released"
    return int(seq), state, int(known) - dropped, id_.decode()
