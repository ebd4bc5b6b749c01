"""What bounds a run in Redis: behind the horizon its events are packed, and what deduplicates is forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from selector_api.store import segments
from selector_api.store.codec import digest_of
from selector_api.store.connection import StoreClient
from selector_api.store.keys import report_field, run_keys, select_field
from selector_api.store.log_parts import Bookmark
from selector_api.store.runs import Run
from selector_api.store.scripts import Scripts
from selector_api.store.segments import first_event, packed, read_events
from selector_api.store.threads import Threads

_AT_ONCE = 1_000
"""Selections and outcomes that one script forgets."""
_DAY_MS = 86_400_000


class Archives:
    """Packs the logs of a service's runs, a segment at a time, and lets go of what was saved elsewhere."""

    def __init__(self, redis: StoreClient, scripts: Scripts, threads: Threads, horizon_days: float) -> None:
        """Nothing is done yet; `horizon_days`: what is older by that than a log's last event is packed."""
        self._redis = redis
        self._scripts = scripts
        self._threads = threads
        self._horizon_ms = horizon_days * _DAY_MS

    async def keep_up(self, run: Run) -> int:
        """Pack what has come behind the horizon and the newest snapshot; returns the segments that were made.

        What is packed is forgotten first. A crash in between leaves events that are packed the next time.
        """
        made = 0
        while await self._pack_next(run):
            made += 1
        return made

    async def droppable(self, run: Run) -> tuple[int, int]:
        """How many of a run's first events are in a file alone, and how many may be: those that are packed."""
        dropped, packed_ = await self._redis.read_fields(run_keys(run.name).meta, "dropped", "packed")
        return int(dropped or 0), int(packed_ or 0)

    async def drop(self, run: Run, upto: Bookmark) -> bool:
        """Let go of a run's events up to this place, which are saved; False if log or snapshot is another."""
        keys = run_keys(run.name)
        first = await first_event(self._redis, run.name)
        if first is None:
            return False
        return bool(await self._scripts.run("drop", keys, run.incarnation, upto.seq, upto.digest, first))

    async def _pack_next(self, run: Run) -> bool:
        """Pack the next segment, unless it is not due, or a selection in it still awaits something."""
        before, events = await self._due(run)
        if len(events) < segments.EVENTS:
            return False
        keys = run_keys(run.name)
        (copied,) = await self._redis.read_fields(keys.meta, "copied")
        own = events[max(0, int(copied or 0) + 1 - before) :]  # a fork's keys are no parent's
        forgotten = await self._threads.run(_forgotten, own)
        for start in range(0, len(forgotten), _AT_ONCE):
            fields = [text for pair in forgotten[start : start + _AT_ONCE] for text in pair]
            if not await self._scripts.run("forget", keys, run.incarnation, *fields):
                return False
        segment = await self._threads.run(packed, events)
        selections = [selection for selection, _ in forgotten if selection]
        digest = digest_of(events[-1])
        return bool(
            await self._scripts.run("pack", keys, run.incarnation, before, digest, segment, *selections)
        )

    async def _due(self, run: Run) -> tuple[int, list[bytes]]:
        """How many events are packed, and those of the next segment, if it is behind horizon and snapshot."""
        keys = run_keys(run.name)
        (packed_,) = await self._redis.read_fields(keys.meta, "packed")
        (snapshot,) = await self._redis.read_fields(keys.snapshot, "seq")
        before = int(packed_ or 0)
        if before + segments.EVENTS > int(snapshot or 0):
            return before, []
        newest = await self._redis.execute_command("LINDEX", keys.log, -1)
        last = await read_events(self._redis, run.name, before + segments.EVENTS - 1, 1)
        if newest is None or not last or _at(newest) - _at(last[0]) < self._horizon_ms:
            return before, []
        return before, await read_events(self._redis, run.name, before, segments.EVENTS)


def _at(event: bytes) -> int:
    return json.loads(event).get("at", 0)  # earlier releases told none


def _forgotten(events: Sequence[bytes]) -> list[tuple[str, str]]:
    """The selections of these events and their idempotency fields, and "" and those of outcomes without one."""
    return [pair for event in events for pair in _of_event(json.loads(event))]


def _of_event(event: dict[str, Any]) -> Iterator[tuple[str, str]]:
    key = event.get("key")
    if event["type"] == "selected":
        yield event["selection"], "" if key is None else select_field(key)
    elif key is not None:
        evaluation = event["type"] == "observed"
        rows: list[Any] = event["rows"] if evaluation else event["outcomes"]
        for row in rows:  # up to 0.2 an object
            task = cast("str", row["task"] if isinstance(row, dict) else row[0])
            yield "", report_field(key, task, evaluation)
