"""What a pool retires and restores, and how its runs follow.

A pool keeps what was retired and restored in a list, and each run how much of that list it has followed: so whoever
finds a run behind brings it up to date, and no two bring it there in another order. With that goes a digest of
what it has followed, by which one notices that Redis lost a part of the list, which then went on otherwise.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from selector_api.core.tasks import TaskTable
from selector_api.store.codec import digest_of, dumps, event_fields
from selector_api.store.connection import StoreClient
from selector_api.store.errors import Overloaded
from selector_api.store.kept_no_more import EventsDropped
from selector_api.store.keys import pool_keys, run_keys
from selector_api.store.log_parts import Bookmark
from selector_api.store.pools import Pools
from selector_api.store.refusals import UnknownPool, UnknownTask
from selector_api.store.scripts import Scripts
from selector_api.store.segments import read_events
from selector_api.store.snapshots import Snapshots, restored
from selector_api.store.threads import Threads

_PATIENCE_SECONDS = 30.0
_EVENTS_A_READ = 500


@dataclass(frozen=True)
class Retired:
    """What became of a call."""

    changed: int
    """Tasks that were not so before."""
    retired: int
    """Tasks of the pool that are retired now."""


class Retirements:
    """The tasks that no run of a pool draws any more."""

    def __init__(
        self, redis: StoreClient, scripts: Scripts, pools: Pools, snapshots: Snapshots, threads: Threads
    ) -> None:
        self._redis = redis
        self._scripts = scripts
        self._pools = pools
        self._snapshots = snapshots
        self._threads = threads

    async def retire(self, pool: str, tasks: Sequence[str], kind: str) -> Retired:
        """Let no run draw these tasks ("excluded"), or let them draw these again ("included").

        Also when nothing changes the pool's runs are brought up to date: so a call that is made again completes one
        that was interrupted.

        Raises:
            UnknownPool: there is no such pool.
            UnknownTask: it has no such task; then nothing was changed.
            Overloaded: other callers kept retiring tasks at the same time.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            incarnation, table = await self._pools.read(pool)
            (unknown,) = np.nonzero(await self._threads.run(table.find, tasks) < 0)
            if len(unknown):
                raise UnknownTask(tasks[int(unknown[0])], table.first_ids(len(table)))
            entries = await self._entries(pool)
            changed, retired = await self._threads.run(_changed, entries, tasks, kind)
            if changed:
                entry = dumps({kind: changed})
                (status,) = await self._scripts.pool(
                    "pool_retire", pool_keys(pool), incarnation, len(entries), len(table), entry
                )
                if status == b"unknown-pool":
                    raise UnknownPool(pool)
                if status == b"moved":
                    if time.monotonic() > deadline:
                        raise Overloaded("pool")
                    continue
            for run in await self._pools.registered(pool):
                await self.follow(pool, run, incarnation)
            return Retired(len(changed), retired)

    async def retired(self, pool: str) -> set[str]:
        """The tasks that are retired now."""
        return await self._threads.run(_retired, await self._entries(pool))

    async def follow(self, pool: str, run: str, incarnation: str) -> None:
        """Bring a run, if it draws from this incarnation of the pool, up to what is retired there.

        Raises:
            UnknownPool: the pool is gone.
            Overloaded: Redis loses its tasks meanwhile.
        """
        lacking = ""
        while True:
            # Before the list, which only a loss can make shorter than what a run has followed.
            of_run = await self._redis.read_fields(run_keys(run).meta, "pool_incarnation", "retirements")
            known = (of_run[1] or b"0").decode()
            if of_run[0] != incarnation.encode():
                return
            entries = await self._entries(pool)
            mark = await self._threads.run(_mark, entries)
            if known == mark:
                return
            count, _, digest = known.partition(":")  # runs that an earlier version made follow have no digest
            followed = entries[: int(count)]
            places: list[Bookmark] = []
            if len(followed) == int(count) and (
                not digest or known == await self._threads.run(_mark, followed)
            ):
                if followed == entries:
                    return
                before = await self._threads.run(_retired, followed)
            else:
                before, places = await self._withheld(pool, run)
                if not places:
                    continue  # there is no log: the run was deleted, which Redis may lose
            table = await self._pools.join(pool, run, incarnation)
            if table is None:
                return
            events = await self._threads.run(_events, before, entries, table)
            if events is None:  # the entries are of before a loss, the table is of behind it
                if lacking == mark:
                    raise Overloaded("pool")
                lacking = mark
                continue
            told = [part for place in places for part in (place.seq, place.digest)]
            if await self._scripts.run(
                "retire",
                run_keys(run),
                incarnation,
                len(table),
                known,
                mark,
                len(told),
                *told,
                *events,
            ):
                return

    async def _withheld(self, pool: str, run: str) -> tuple[set[str], list[Bookmark]]:
        """The tasks that a run does not draw because of its pool, by its log; and to which places that was read.

        Redis may lose the end of it meanwhile, and be back where the run had followed as much as before.

        Raises:
            EventsDropped: the log's first events are elsewhere alone, and no snapshot stands for them.
        """
        try:
            return await self._read_on(run, set(), Bookmark(0))
        except EventsDropped:
            snapshot = await self._snapshots.newest(run)
            if snapshot is None:
                raise
        _, table = await self._pools.read(pool)
        state = await self._threads.run(restored, snapshot.data, table)
        return await self._read_on(run, set(table.ids(state.withheld.to_arrays()["pool"])), snapshot.place)

    async def _read_on(self, run: str, before: set[str], place: Bookmark) -> tuple[set[str], list[Bookmark]]:
        """What `_withheld` gives, by what was withheld at a place of the log."""
        changes: list[bytes] = []
        places = [place]
        while lines := await read_events(self._redis, run, places[-1].seq, _EVENTS_A_READ):
            changes += filter(_is_change, lines)
            places.append(places[-1].after(lines))
        withheld = await self._threads.run(_by_pool, changes, before)
        return withheld, [each for each in places if each.seq]

    async def _entries(self, pool: str) -> list[bytes]:
        """What was retired and restored, in order."""
        return await self._redis.execute_command("LRANGE", pool_keys(pool).retirements, 0, -1)


def _mark(entries: Sequence[bytes]) -> str:
    """How a run notes that it has followed these: how many, and the SHA-1 of them all."""
    return f"{len(entries)}:{digest_of(b' '.join(entries))}"


def _retired(entries: Iterable[bytes]) -> set[str]:
    return _in_force(map(json.loads, entries))


def _changed(entries: Iterable[bytes], tasks: Iterable[str], kind: str) -> tuple[list[str], int]:
    """The tasks that a call changes behind these entries, and how many are retired then."""
    retired, excludes = _retired(entries), kind == "excluded"
    changed = [task for task in dict.fromkeys(tasks) if (task in retired) != excludes]
    return changed, len(retired) + (len(changed) if excludes else -len(changed))


def _events(before: set[str], entries: Iterable[bytes], table: TaskTable) -> list[str] | None:
    """Kinds and fields of the events by which a run, where these tasks were retired, follows the entries.

    None if what is retired is not there. What is retired no more need not be: the run's log names it as it is.
    """
    now = _retired(entries)
    changes = {"excluded": sorted(now - before), "included": sorted(before - now)}
    if (table.find(changes["excluded"]) < 0).any():
        return None
    return [
        text
        for kind, tasks in changes.items()
        if tasks
        for text in (kind, event_fields({"by": "pool", "tasks": tasks}))
    ]


def _by_pool(changes: Iterable[bytes], before: Iterable[str]) -> set[str]:
    """What a run does not draw because of its pool, after these events of it."""
    events = map(json.loads, changes)
    return _in_force(({event["type"]: event["tasks"]} for event in events if event["by"] == "pool"), before)


def _in_force(changes: Iterable[Mapping[str, list[str]]], before: Iterable[str] = ()) -> set[str]:
    """What is excluded after these changes, in order, each of which names the tasks of a kind."""
    retired = set(before)
    for change in changes:
        retired.update(change.get("excluded", ()))
        retired.difference_update(change.get("included", ()))
    return retired


def _is_change(event: bytes) -> bool:
    return event.startswith((b'{"type":"excluded"', b'{"type":"included"'))
