"""A run's state as this process has folded it, brought up to date before every answer.

Any process may hold a live run of any run; none of them owns it. A live run can be thrown away at any time: it is
made again from the newest snapshot and the events after it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from typing import Any, TypeVar

from selector_api.core.fold import UnreadableLog, fold_on
from selector_api.core.rewards import Rewards
from selector_api.core.select import TooFewTasks
from selector_api.core.snapshot import Arrays, Header
from selector_api.core.state import RunState
from selector_api.core.tasks import TaskTable
from selector_api.store.archives import Archives
from selector_api.store.codec import decode_events, encode_snapshot
from selector_api.store.drawing import Selected, Wanted, as_answered, draw, replayed
from selector_api.store.errors import Overloaded, StoreError, UnreadableData
from selector_api.store.kept_no_more import EventsDropped
from selector_api.store.keys import select_field
from selector_api.store.log import Logs
from selector_api.store.log_parts import Appended, Bookmark, Drawn, Known
from selector_api.store.pools import Pools
from selector_api.store.refusals import UnknownRun
from selector_api.store.runs import Run, Runs
from selector_api.store.snapshots import Snapshots, copied, restored
from selector_api.store.threads import Threads
from selector_api.store.timings import held, timed

log = logging.getLogger(__name__)

T = TypeVar("T")

_QUICK = 32 * 1024
"""Bytes of events, and classes moved by each, that are folded in about a millisecond: not worth a thread."""
_JOINING = ("created", "grown")
"""The events by which tasks join; their work grows with the pool."""


class LiveRun:
    """This process's copy of the state of one run."""

    def __init__(
        self,
        run: str,
        runs: Runs,
        logs: Logs,
        snapshots: Snapshots,
        archives: Archives,
        pools: Pools,
        threads: Threads,
        snapshot_every: int,
        patience: float,
    ) -> None:
        """A live run that has read nothing yet.

        Args:
            run: the run's name.
            runs: where it is found.
            logs: where its events are read, and selections appended.
            snapshots: where it begins, if there is one.
            archives: pack what of its log is behind the horizon.
            pools: where its tasks are read from.
            threads: does what takes longer than a millisecond.
            snapshot_every: events after which a snapshot is written.
            patience: seconds for which a selection is drawn again because others came first.
        """
        self._name = run
        self._runs = runs
        self._logs = logs
        self._snapshots = snapshots
        self._archives = archives
        self._pools = pools
        self._threads = threads
        self._snapshot_every = snapshot_every
        self._patience = patience
        self._lock = asyncio.Lock()
        self._run: Run | None = None
        self._table = TaskTable.empty()
        self._state: RunState | None = None
        self._place = self._saved = Bookmark(0)
        self._saving: asyncio.Task[None] | None = None
        # What was drawn last, if that was quick: so it will be again.
        self._quick: Wanted | None = None

    async def read(self, view: Callable[[RunState], T]) -> T:
        """What `view` makes of the state as it is now; it runs in a thread and must not change or keep it.

        Raises:
            UnknownRun: the run does not exist.
            UnknownPool: its pool does not.
        """
        async with held(self._lock):
            await self._refresh()
            return await self._beside(view, self._current[1])

    async def glance(self, view: Callable[[RunState], T]) -> T:
        """Like `read`, for a view that takes no time: it runs at once and needs no thread. It raises the same."""
        async with held(self._lock):
            await self._refresh()
            return view(self._current[1])

    @property
    def folded(self) -> int:
        """Number of events of the log that the state was folded from."""
        return self._place.seq

    @property
    def tag(self) -> str:
        """What tells the state from all others of the run; inside a view, that of the one which is looked at."""
        return f"{self._place.seq}-{self._place.digest[:16]}"

    @property
    def rewards(self) -> Rewards | None:
        """How the run's rewards count, if that was read here; a run that took its name may count otherwise."""
        return None if self._run is None else self._run.config.rewards

    async def copy(self) -> RunState:
        """A copy of the state as it is now, for what takes long to read. It raises what `read` does."""
        return await self.read(RunState.copy)

    async def select(
        self,
        wanted: int | Wanted,
        key: str | None = None,
        explain: bool = False,
        policy_version: int | None = None,
        lease_seconds: float | None = None,
    ) -> Selected:
        """Hand out a batch, wanted as such or of so many tasks; the same `key` gives the same selection again.

        Raises:
            UnknownRun: the run does not exist.
            UnknownPool: its pool does not.
            TooFewTasks: fewer tasks can be drawn now (from `core.select`), or they promise too little.
            KeyConflict: the key was used for another batch, for a selection that was not released.
            NotExplained: the key was used without `explain`.
            PastHorizon: the key was used for a selection that is kept no more.
            Overloaded: other processes kept selecting from the run while this one drew.
        """
        wanted = Wanted(wanted) if isinstance(wanted, int) else wanted
        field = "" if key is None else select_field(key)
        told = {"key": key} if policy_version is None else {"key": key, "policy_version": policy_version}
        deadline = time.monotonic() + self._patience
        former = ""
        async with held(self._lock):
            while True:
                if (replay := await self._refresh(field)) is not None:
                    if (known := replayed(self._name, replay, wanted, explain)) is not None:
                        return known
                    former = json.loads(replay.event)["selection"]
                run, state = self._current
                try:
                    with timed("draw"):
                        is_quick = wanted == self._quick
                        drawn, seconds = await self._beside(draw, state, wanted, explain, at_once=is_quick)
                        self._quick = wanted if seconds < self._threads.quick_seconds else None
                except TooFewTasks as error:
                    error.tell_ends(await self._runs.lease_ends(self._name))
                    raise
                # The random part: what Redis loses must not get its id again.
                selection = f"s{drawn['number']}-{secrets.token_hex(4)}"
                drawn_from = Drawn(self._place, state.selections, state.changes, state.size)
                lease_ms = run.lease_ms if lease_seconds is None else max(1, round(lease_seconds * 1000))
                appended = await self._logs.append_selection(
                    run, drawn_from, field, former, selection, lease_ms, {**told, **drawn}
                )
                if isinstance(appended, Appended):
                    if appended.seq == self._place.seq + 1:
                        await self._fold(run, [appended.event])
                    return Selected(as_answered(json.loads(appended.event), "open"), replayed=False)
                if appended is None and time.monotonic() > deadline:
                    raise Overloaded("run")

    async def settled(self) -> None:
        """Wait until a snapshot that is being written, if any, is written."""
        if self._saving is not None:
            await asyncio.wait({self._saving})

    @property
    def _current(self) -> tuple[Run, RunState]:
        assert self._run is not None
        assert self._state is not None
        return self._run, self._state

    async def _refresh(self, field: str = "") -> Known | None:
        """Fold what is new; returns the selection that `field` stands for, if it is known."""
        snapshot_is_good = True
        while True:
            is_loaded_now = self._run is None
            run = self._run or await self._load(snapshot_is_good)
            try:
                stretch = await self._logs.read(run, self._place, field)
            except (UnknownRun, EventsDropped) as error:
                self._forget()
                if isinstance(error, UnknownRun) or is_loaded_now:
                    raise
                continue
            if stretch is None:
                if self._state is not None:
                    await self._logs.say_rewound(run, self._place, self._state.rewinds)
                snapshot_is_good = self._place != self._saved
                self._forget()
                continue
            await self._fold(run, stretch.events)
            if self._place.seq >= stretch.length and not stretch.more_due:
                await self._save_if_due(run)
                return stretch.replay

    async def _load(self, snapshot_is_good: bool) -> Run:
        """Find the run, and begin with its newest snapshot, if there is one that can be read and used."""
        # In this order, so that the run has at least as many tasks as the snapshot.
        snapshot = await self._snapshots.newest(self._name)
        run = await self._runs.find(self._name)
        await self._runs.mend(run)
        table = await self._pools.table_for_run(run.pool, run.pool_incarnation, run.tasks)
        if snapshot is not None and snapshot.incarnation == run.incarnation and snapshot_is_good:
            try:
                with timed("fold"):
                    self._state = await self._threads.run(restored, snapshot.data, table)
                self._place = self._saved = snapshot.place
            except UnreadableData as error:
                log.warning("run %s is folded from its first event: %s", self._name, error)
        self._run, self._table = run, table
        return run

    async def _fold(self, run: Run, lines: list[bytes]) -> None:
        """Move the state on by these events."""
        if not lines:
            return
        try:
            classes = 0 if self._state is None else len(self._state.classes)
            quick = sum(map(len, lines)) + classes * len(lines) <= _QUICK
            with timed("fold"):
                events = await self._beside(decode_events, lines, at_once=quick)
            tasks = max((event["tasks"] for event in events if event["type"] in _JOINING), default=0)
            if tasks:
                self._table = await self._pools.table_for_run(run.pool, run.pool_incarnation, tasks)
            with timed("fold"):
                at_once = quick and not tasks
                self._state = await self._beside(_folded, self._state, events, self._table, at_once=at_once)
            self._place = self._place.after(lines)
            if self._state is not None and self._state.config != run.config:
                self._run = replace(run, config=self._state.config)
        except BaseException:
            # Half folded, or still being folded by a thread that a cancelled caller left behind.
            self._forget()
            raise

    async def _beside(self, function: Callable[..., T], *args: Any, at_once: bool = False) -> T:
        """Run something that reads or folds the state in a thread, or at once."""
        if at_once:
            return function(*args)
        try:
            return await self._threads.run(function, *args)
        except asyncio.CancelledError:
            self._forget()  # the thread goes on with this state, which no two threads may use
            raise

    def _forget(self) -> None:
        self._run = self._state = None
        self._table = TaskTable.empty()
        self._place = self._saved = Bookmark(0)

    async def _save_if_due(self, run: Run) -> None:
        """Write a snapshot beside whatever comes next, if many events were folded since the last."""
        is_saving = self._saving is not None and not self._saving.done()
        if is_saving or self._place.seq - self._saved.seq < self._snapshot_every:
            return
        parts = await self._beside(copied, self._current[1])
        self._saved = self._place
        # In a context of its own: its time is not the caller's.
        self._saving = asyncio.create_task(self._save(run, self._place, parts), context=Context())

    async def _save(self, run: Run, place: Bookmark, parts: tuple[Header, Arrays]) -> None:
        try:
            data = await self._threads.run(encode_snapshot, *parts)
            await self._snapshots.save(run, place, data)
            await self._archives.keep_up(run)
            await self._runs.mend(run)
        except StoreError as error:
            log.warning("run %s: a snapshot, or what comes with one, was not written: %s", run.name, error)


def _folded(state: RunState | None, events: list[dict[str, Any]], table: TaskTable) -> RunState | None:
    try:
        return fold_on(state, events, table)
    except UnreadableLog as error:
        raise UnreadableData(str(error)) from error
