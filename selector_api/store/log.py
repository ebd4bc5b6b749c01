"""The logs of runs: what is read of them, and the transitions that append to them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from selector_api.store.codec import Drop, Outcome, dumps, event_fields
from selector_api.store.kept_no_more import EventsDropped, PastHorizon
from selector_api.store.keys import report_field, run_keys
from selector_api.store.log_parts import Appended, Bookmark, Drawn, Known, Stretch
from selector_api.store.pools import Pools
from selector_api.store.receipts import Lease, Place, Reported
from selector_api.store.refusals import (
    SelectionClosed,
    TaskNotInSelection,
    UnknownRun,
    UnknownSelection,
    UnknownTask,
)
from selector_api.store.runs import Run, Runs
from selector_api.store.scripts import Scripts
from selector_api.store.segments import events_behind
from selector_api.store.threads import Threads

log = logging.getLogger(__name__)

_EVENTS_A_READ = 200


class Logs:
    """The logs of a service's runs."""

    def __init__(
        self, scripts: Scripts, runs: Runs, pools: Pools, threads: Threads, horizon_days: float
    ) -> None:
        self._scripts = scripts
        self._runs = runs
        self._pools = pools
        self._threads = threads
        self._horizon_days = horizon_days

    async def read(self, run: Run, after: Bookmark, field: str = "") -> Stretch | None:
        """Close what is due, at most 200 selections, then read the log behind `after`, a bounded stretch of it.

        `field` is an idempotency field to look up with it, "" for none.

        Returns:
            None if another run of this name has taken the run's place, or the log lost events before `after`.

        Raises:
            UnknownRun: the run was deleted.
            PastHorizon: the field stood for a selection that is kept no more.
            EventsDropped: events behind `after` are in a file alone.
        """
        reply = await self._scripts.run(
            "sync", run_keys(run.name), run.incarnation, after.seq, after.digest, _EVENTS_A_READ, field
        )
        if not self._still_there(run.name, reply[0], "key"):
            return None
        if reply[0] == b"dropped":
            raise EventsDropped(reply[1])
        _, length, replay, more_due, segment, events = reply
        if segment:
            events = await self._threads.run(events_behind, segment, after.seq, after.digest)
            if events is None:
                return None
        return Stretch(events, length, Known.of(replay) if replay else None, bool(more_due))

    async def say_rewound(self, run: Run, known: Bookmark, rewinds: int) -> None:
        """Say, here and in the log, that Redis lost events, as in a failover to a Redis replica that lagged.

        A process was behind `known`, and had folded so many notes of this kind. Nothing is said if another run has
        the name, or it was noted before.
        """
        left = await self._scripts.run(
            "rewound", run_keys(run.name), run.incarnation, known.seq, known.digest, rewinds
        )
        if left >= 0:
            log.warning(
                "run %s: Redis has lost events: %d were known here, %d are left; what they held is gone",
                run.name,
                known.seq,
                left,
            )

    async def append_selection(
        self,
        run: Run,
        drawn_from: Drawn,
        field: str,
        former: str,
        selection: str,
        lease_ms: int,
        fields: dict[str, Any],
    ) -> Appended | Known | None:
        """Append a selection.

        `field` is its idempotency field and `former` the selection whose place it takes there, each "" for none;
        `fields` are those of the event but `at` and `expires_at`.

        Returns:
            What the field stands for, if that is another one. None if other selections, or tasks, came since it
            was drawn; then nothing was appended.

        Raises:
            UnknownRun: the run was deleted.
            PastHorizon: the field stood for a selection that is kept no more.
        """
        status, *reply = await self._scripts.run(
            "select",
            run_keys(run.name),
            run.incarnation,
            drawn_from.place.seq,
            drawn_from.place.digest,
            drawn_from.selections,
            drawn_from.changes,
            drawn_from.tasks,
            field,
            former,
            selection,
            lease_ms,
            event_fields({"selection": selection, "drawn_from": drawn_from.place.seq, **fields}),
        )
        if not self._still_there(run.name, status, "key") or status == b"moved":
            return None
        return Appended(*reply) if status == b"made" else Known.of(reply[0])

    async def report(
        self,
        name: str,
        selection: str,
        outcomes: Sequence[Outcome | Drop],
        final: bool = False,
        outbox: str = "",
    ) -> Reported:
        """Take outcomes and drops of a selection, whole or not at all; of each task the first stands.

        When outcomes enter the posteriors is in the run's configuration, `commit`. By `final` nothing more is
        awaited. What comes after a selection has ended is taken, too. `outbox` is as in `X-Bots-Outbox`, "" for
        none.

        Raises:
            UnknownRun, UnknownSelection: there is none.
            PastHorizon: the selection is kept no more.
            TaskNotInSelection: an outcome's task is not the selection's.
        """
        pairs = [text for outcome in outcomes for text in (outcome.task, outcome.to_text())]
        status, *reply = await self._scripts.run(
            "report", run_keys(name), selection, int(final), outbox, *pairs
        )
        if status == b"unknown-selection":
            raise UnknownSelection(selection)
        if status == b"task-not-in-selection":
            raise TaskNotInSelection(reply[0].decode())
        self._still_there(name, status)
        accepted, duplicates, differing, dropped, remaining, committed, step, tasks, incarnation, *noted = (
            reply
        )
        return Reported(
            accepted,
            duplicates,
            remaining,
            bool(committed),
            step,
            differing,
            dropped,
            tuple(task.decode() for task in tasks),
            Place.of(incarnation.decode(), *noted),
        )

    async def report_unsolicited(
        self, name: str, key: str, outcomes: Sequence[Outcome], evaluation: bool = False, outbox: str = ""
    ) -> Reported:
        """Take outcomes of tasks that no selection handed out; of each `key` and task the first one stands.

        They are a commit, or by `evaluation` inform the posteriors without one, and count by keys of their own.

        Raises:
            UnknownRun: there is none.
            UnknownTask: an outcome's task is not the pool's.
            PastHorizon: outcomes were counted under the key that are kept no more.
        """
        tasks = [outcome.task for outcome in outcomes]
        triples = [
            text
            for outcome in outcomes
            for text in (
                report_field(key, outcome.task, evaluation),
                dumps(outcome.task),
                outcome.to_text(),
            )
        ]
        kind = "observed" if evaluation else "committed"
        while True:
            run = await self._runs.find(name)
            table = await self._pools.table_for_run(run.pool, run.pool_incarnation, run.tasks)
            found = await self._threads.run(table.find, tasks)
            if (found < 0).any():
                raise UnknownTask(tasks[int(np.argmin(found))], table.first_ids(run.tasks))
            if (found >= run.tasks).any():
                # Whoever added it to the pool may not have told the run yet, or Redis has lost that.
                await self._pools.join(run.pool, run.name, run.pool_incarnation)
                continue
            status, *reply = await self._scripts.run(
                "report_unsolicited",
                run_keys(name),
                run.incarnation,
                run.tasks,
                kind,
                dumps(key),
                outbox,
                *triples,
            )
            if self._still_there(name, status, "key"):
                accepted, duplicates, step, numbers, *noted = reply
                place = Place.of(run.incarnation, *noted)
                differing = tuple(tasks[number - 1] for number in cast("list[int]", numbers[:10]))
                return Reported(
                    accepted, duplicates, 0, not evaluation, step, len(numbers), 0, differing, place
                )

    async def renew(self, name: str, selection: str, milliseconds: int) -> Lease:
        """Let the lease of an open selection end so long from now.

        Raises:
            UnknownRun, UnknownSelection: there is none.
            PastHorizon: the selection is kept no more.
            SelectionClosed: it has ended.
        """
        status, *reply = await self._scripts.run("renew", run_keys(name), selection, milliseconds)
        self._still_there(name, status)
        if status == b"unknown-selection":
            raise UnknownSelection(selection)
        if status == b"closed":
            raise SelectionClosed(selection, reply[0].decode())
        return Lease("open", reply[0])

    async def release(self, name: str, selection: str) -> Lease:
        """End a selection, if it is open, as the end of its lease would.

        Raises:
            UnknownRun, UnknownSelection: there is none.
            PastHorizon: the selection is kept no more.
        """
        status, *reply = await self._scripts.run("release", run_keys(name), selection)
        self._still_there(name, status)
        if status == b"unknown-selection":
            raise UnknownSelection(selection)
        return Lease(reply[0].decode(), step=reply[1])

    def _still_there(self, name: str, status: bytes, asked: str = "selection") -> bool:
        """False if another run has taken the run's place; raises UnknownRun if none has.

        Raises PastHorizon if what was `asked` for by this field is kept no more.
        """
        if status == b"unknown-run":
            raise UnknownRun(name)
        if status == b"past-horizon":
            raise PastHorizon(asked, self._horizon_days)
        return status != b"replaced"
