"""Forks: runs that begin with the evidence of another one.

The parent's events are copied to a key of their own, which ends by itself if the copying does; one script makes it
the log of the new run. So nobody sees a part of it, and a fork that was interrupted leaves nothing behind.

If nothing was left out before the parent's newest snapshot, the fork begins with that, too: its first call need not
fold what the parent has folded.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence

from selector_api.core.config import Fork, RunConfig
from selector_api.core.fork import Taken, begun
from selector_api.store.codec import decode_snapshot, encode_snapshot, event_text
from selector_api.store.errors import Overloaded, UnreadableData
from selector_api.store.kept_no_more import EventsDropped
from selector_api.store.keys import forking_key, run_keys
from selector_api.store.log import Logs
from selector_api.store.log_parts import Bookmark
from selector_api.store.refusals import UnknownParent, UnknownRun, UnusableFork
from selector_api.store.runs import Copied, Run, Runs
from selector_api.store.scripts import Scripts
from selector_api.store.snapshots import Snapshots
from selector_api.store.threads import Threads

_SECONDS = 600
"""How long a copy waits for its next part."""
_EVENTS_A_WRITE = 200


class Forks:
    """Makes runs that begin with the evidence of another one."""

    def __init__(
        self, scripts: Scripts, runs: Runs, logs: Logs, snapshots: Snapshots, threads: Threads
    ) -> None:
        self._scripts = scripts
        self._runs = runs
        self._logs = logs
        self._snapshots = snapshots
        self._threads = threads

    async def create(self, name: str, config: RunConfig, fork: Fork) -> bool:
        """Make a run with the evidence of another; False if it was there already, from the same fork.

        Raises:
            UnknownParent: the other run does not exist.
            UnusableFork: it draws from another pool, or has not made so many commits.
            Overloaded: it was deleted or lost events meanwhile, or the copy took too long.
            and what `Runs.create` raises.
        """
        if await self._runs.is_there(name, config):
            return await self._runs.create(name, config)
        try:
            parent = await self._runs.find(fork.run)
        except UnknownRun as error:
            raise UnknownParent(fork.run) from error
        if parent.pool != config.pool:
            raise UnusableFork(
                f"fork.run: {fork.run!r} draws from the pool {parent.pool!r}, and {config.pool!r} was sent; "
                "a fork draws from the same one"
            )
        taken, end = await self._read(parent, fork)
        copied = await self._copied(name, parent, taken, config)
        # What was copied is what was read: the log has not lost any of it between.
        await self._stretch(parent, end)
        created = await self._runs.create(name, config, copied)
        if created:
            await self._begin(name, parent, taken)
        return created

    async def _read(self, parent: Run, fork: Fork) -> tuple[Taken, Bookmark]:
        taken = Taken(fork.step)
        place = Bookmark(0)
        while lines := await self._stretch(parent, place):
            await self._threads.run(_take, taken, place.seq + 1, lines)
            place = place.after(lines)
        if fork.step is not None and taken.step < fork.step:
            raise UnusableFork(
                f"fork.step: {fork.run!r} has made {taken.step} commits, and {fork.step} was sent; "
                f"send at most {taken.step}, or leave step out for all"
            )
        return taken, place

    async def _copied(self, name: str, parent: Run, taken: Taken, config: RunConfig) -> Copied:
        key = forking_key(name, secrets.token_hex(8))
        seqs = taken.seqs()
        last = max(seqs, default=0)
        place = Bookmark(0)
        length = 0
        while place.seq < last and (lines := await self._stretch(parent, place)):
            kept = [line for seq, line in enumerate(lines, place.seq + 1) if seq in seqs]
            length = await self._append(name, key, length, kept)
            place = place.after(lines)
        released = [event_text(event) for event in taken.closing()]
        length = await self._append(name, key, length, released)
        return Copied(
            key,
            length,
            parent.name,
            taken.tasks,
            taken.grown,
            taken.step,
            *taken.counts(),
            taken.policy_begins(config.policy),
        )

    async def _begin(self, name: str, parent: Run, taken: Taken) -> None:
        """Let the fork begin with its parent's snapshot, if it would fold the events before it to the same."""
        snapshot = await self._snapshots.newest(parent.name)
        if snapshot is None or snapshot.incarnation != parent.incarnation:
            return
        if not await self._threads.run(taken.has_all, snapshot.place.seq):
            return
        run = await self._runs.find(name)
        first = (await self._stretch(run, Bookmark(0)))[0]
        data = await self._threads.run(_begun, snapshot.data, first)
        if data is not None:
            await self._snapshots.save(run, snapshot.place, data)

    async def _stretch(self, parent: Run, place: Bookmark) -> list[bytes]:
        try:
            stretch = await self._logs.read(parent, place)
        except EventsDropped as error:
            raise UnusableFork(
                f"fork.run: the first {error.count} events of {parent.name!r} are in a file alone, where `bots run "
                "archive` has put them, and a fork begins with all; fork a run that has them"
            ) from error
        if stretch is None:
            raise Overloaded("fork.run")
        return stretch.events

    async def _append(self, name: str, key: str, length: int, lines: Sequence[bytes | str]) -> int:
        for start in range(0, len(lines), _EVENTS_A_WRITE):
            part = lines[start : start + _EVENTS_A_WRITE]
            keys = (*run_keys(name), key)
            if not await self._scripts.run("fork", keys, length, _SECONDS, *part):
                raise Overloaded("fork")
            length += len(part)
        return length


def _take(taken: Taken, first: int, lines: list[bytes]) -> None:
    for seq, line in enumerate(lines, first):
        taken.read(seq, json.loads(line))


def _begun(data: bytes, first: bytes) -> bytes | None:
    try:
        header, arrays = decode_snapshot(data)
    except UnreadableData:  # it is folded from the first event, as its parent would be
        return None
    own = begun(header, json.loads(first))
    return None if own is None else encode_snapshot(own, arrays)
