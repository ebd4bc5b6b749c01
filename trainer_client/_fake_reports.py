"""What reports and the ends of leases do to the fake selector's runs."""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from trainer_client._contract.web_schemas_selections import ReportRequest
from trainer_client._fake_http import Problem
from trainer_client._fake_outcomes import Seen, counted, is_same
from trainer_client._fake_posterior import Counts, FakePosterior
from trainer_client.rewards import RewardScale

DIFFERING_NAMED = 10


@dataclass
class Batch:
    """A selection: its event, what is known of each task, and which of that has entered a commit."""

    event: dict[str, Any]
    expires_at: int
    means: dict[str, float]
    """The success probability that was expected of each task."""
    known: dict[str, Seen] = field(default_factory=dict[str, Seen])
    entered: set[str] = field(default_factory=set[str])
    is_ending: bool = False
    left_out: bool = False
    """Whether it ended without some of its tasks, which then count as dropped."""
    state: Literal["open", "committed", "released"] = "open"

    @property
    def tasks(self) -> list[str]:
        """The tasks in their order."""
        return self.event["tasks"]

    @property
    def reported(self) -> int:
        """Tasks of which an outcome is known."""
        return sum(isinstance(seen, list) for seen in self.known.values())

    @property
    def waiting(self) -> list[str]:
        """The tasks with an outcome that has not entered, in the selection's order."""
        return [
            task for task in self.tasks if isinstance(self.known.get(task), list) and task not in self.entered
        ]

    def row(self, task: str, *, by_id: bool) -> list[Any]:
        """The outcome of a task as a commit has it."""
        return [task if by_id else self.tasks.index(task), *self.known[task]]


class FakeReports:
    """The part of a run that takes outcomes."""

    events: list[dict[str, Any]]
    _posterior: FakePosterior
    _scale: RewardScale
    _commits_at: int | None

    def __init__(self) -> None:
        self._batches: dict[str, Batch] = {}
        self._pending: list[tuple[Batch, str, bool]] = []
        self._unsolicited: dict[tuple[str, bool], dict[str, Seen]] = {}
        self._dropped: Counter[str] = Counter()
        self._step: int = 0
        self._outboxes: dict[str, set[int]] = {}
        self._incarnation = uuid.uuid4().hex[:16]

    def _log(self, now: int, kind: str, **what: Any) -> dict[str, Any]:
        raise NotImplementedError

    def _has(self, task: str) -> bool:
        raise NotImplementedError

    def _enter(self, rows: list[Counts], *, expected: Sequence[float | None] | None) -> None:
        """Let outcomes of tasks inform the posteriors: of a commit, with what was expected, or of none (None)."""
        raise NotImplementedError

    def report(self, sent: ReportRequest, now: int, outbox: str | None = None) -> dict[str, Any]:
        """The answer of `POST /report`."""
        receipt = self._reported(sent, now)
        if outbox is None:
            return receipt
        return receipt | {"place": {"incarnation": self._incarnation, **self._noted(*outbox.split())}}

    def _noted(self, outbox: str, number: str, lowest: str) -> dict[str, Any]:
        """Note a report of an outbox; tells which of its reports were taken."""
        taken = {one for one in self._outboxes.get(outbox, ()) if one >= int(lowest)} | {int(number)}
        self._outboxes[outbox] = taken
        firsts = sorted(one for one in taken if one - 1 not in taken)
        lasts = sorted(one for one in taken if one + 1 not in taken)
        return {"number": int(number), "taken": [list(ends) for ends in zip(firsts, lasts, strict=True)]}

    def _reported(self, sent: ReportRequest, now: int) -> dict[str, Any]:
        seen = counted(sent.outcomes, self._scale, sent.policy_version)
        if sent.selection is None:
            return self._report_unsolicited(str(sent.key), seen, sent.evaluation, now)
        batch = self._batch(sent.selection)
        for place, item in enumerate(sent.outcomes):
            if item.task not in batch.tasks:
                detail = f"outcomes[{place}].task: {item.task!r} is not of this selection"
                raise Problem(422, "task-not-in-selection", detail)
        fresh, differing = _sorted_out(seen, batch.known)
        drops = {task: why for task, why in fresh.items() if isinstance(why, str)}
        was_open = batch.state == "open" and not batch.is_ending
        batch.known |= fresh
        if drops:
            place_of = batch.tasks.index if was_open else str
            rows = [[place_of(task), why] for task, why in drops.items()]
            known_since = {"left_out": True} if batch.left_out else {}
            self._log(now, "dropped", selection=sent.selection, drops=rows, **known_since)
        if not batch.left_out:
            self._dropped.update(drops.keys())
        complete = len(batch.known) == len(batch.tasks)
        arrived = [task for task in fresh if task not in drops]
        ends = was_open and (complete or sent.final)
        if ends:  # what is left out at the end counts as dropped
            self._dropped.update(task for task in batch.tasks if task not in batch.known)
            batch.left_out = not complete
        if self._commits_at is not None:
            self._await_commit(batch, arrived, ends, was_open, now)
        elif ends:
            self._close(batch, self._reason(batch), now)
        elif batch.state != "open" and arrived:
            late = [task for task in batch.tasks if task in arrived]
            self._commit(now, "late", sent.selection, [(batch, task, True) for task in late], [])
            batch.state = "committed" if batch.entered else batch.state
        return {
            "selection": sent.selection,
            "accepted": len(arrived),
            "duplicates": len(seen) - len(fresh) - len(differing),
            "differing": len(differing),
            "differing_tasks": differing[:DIFFERING_NAMED],
            "dropped": len(drops),
            "remaining": len(batch.tasks) - len(batch.known),
            "committed": bool(batch.entered) and not batch.waiting,
            "step": self._step,
        }

    def renew(self, selection: str, seconds: float, now: int) -> Batch:
        """Let a lease end at another time."""
        batch = self._batch(selection)
        if batch.state != "open":
            raise Problem(409, "selection-closed", f"selection: it has ended and is {batch.state}")
        batch.expires_at = now + max(1, round(seconds * 1000))
        return batch

    def release(self, selection: str, now: int) -> Batch:
        """Give a selection back."""
        batch = self._batch(selection)
        if batch.state == "open":
            self._close(batch, "given-back", now)
        return batch

    def end_leases(self, now: int) -> None:
        """Close the selections whose lease is over."""
        for batch in sorted(self._batches.values(), key=lambda batch: batch.expires_at):
            if batch.state == "open" and batch.expires_at <= now:
                self._close(batch, "lease", now)

    def _batch(self, selection: str) -> Batch:
        if selection not in self._batches:
            raise Problem(404, "unknown-selection", f"selection: the run has none named {selection!r}")
        return self._batches[selection]

    @staticmethod
    def _reason(batch: Batch) -> str:
        if len(batch.known) < len(batch.tasks):
            return "final"
        return "complete" if any(isinstance(seen, list) for seen in batch.known.values()) else "dropped"

    def _await_commit(self, batch: Batch, arrived: list[str], ends: bool, was_open: bool, now: int) -> None:
        """Under commits of so many outcomes: queue what arrived, and commit as often as there are enough."""
        assert self._commits_at is not None
        reason = self._reason(batch)
        if ends:
            batch.is_ending = True
            rest = [[place, "left out"] for place, task in enumerate(batch.tasks) if task not in batch.known]
            if rest:
                self._log(now, "dropped", selection=batch.event["selection"], drops=rest)
        self._pending += [(batch, task, not was_open) for task in arrived]
        if batch.is_ending and batch.state == "open" and not batch.waiting:
            self._released(batch, reason, now)
        while len(self._pending) >= self._commits_at:
            first, self._pending = self._pending[: self._commits_at], self._pending[self._commits_at :]
            self._commit_pending(first, "count", batch, now)
        if self._pending and all(other.state != "open" for other in self._batches.values()):
            parts, self._pending = self._pending, []  # no lease is left whose end would commit them
            self._commit_pending(parts, "late", batch, now)

    def _commit_pending(
        self, parts: list[tuple[Batch, str, bool]], reason: str, cause: Batch, now: int, *, ends: bool = False
    ) -> None:
        entering = {id(batch): batch for batch, _, _ in parts}
        closes = [
            batch
            for batch in entering.values()
            if batch.state == "open"
            and (
                (ends and batch is cause)
                or (batch.is_ending and len(batch.waiting) == sum(part[0] is batch for part in parts))
            )
        ]
        if ends and id(cause) not in entering and cause.entered:
            closes.append(cause)
        self._commit(now, reason, cause.event["selection"], parts, closes)

    def _close(self, batch: Batch, reason: str, now: int) -> None:
        """End an open selection: commit what is known of it, or release it."""
        if self._commits_at is not None:
            if self._pending:
                parts, self._pending = self._pending, []
                self._commit_pending(parts, reason, batch, now, ends=True)
            if batch.state == "open":
                self._released(batch, reason, now)
        elif batch.waiting:
            parts = [(batch, task, False) for task in batch.waiting]
            self._commit(now, reason, batch.event["selection"], parts, [batch])
        else:
            self._released(batch, reason, now)

    def _released(self, batch: Batch, reason: str, now: int) -> None:
        selection, entered = batch.event["selection"], len(batch.entered)
        self._log(now, "released", selection=selection, reason=reason, entered=entered)
        batch.state = "committed" if batch.entered else "released"

    def _commit(
        self, now: int, reason: str, cause: str, parts: list[tuple[Batch, str, bool]], closes: list[Batch]
    ) -> None:
        outcomes: dict[str, list[Any]] = {}
        rows: list[Counts] = []
        expected = [batch.means[task] if batch.state == "open" else None for batch, task, _ in parts]
        for batch, task, by_id in parts:
            outcomes.setdefault(batch.event["selection"], []).append(batch.row(task, by_id=by_id))
            batch.entered.add(task)
            rows.append((task, list(batch.known[task])))
        self._step += 1
        self._enter(rows, expected=expected)
        names = [batch.event["selection"] for batch in closes]
        self._log(
            now, "committed", selection=cause, step=self._step, reason=reason, outcomes=outcomes, closes=names
        )
        for batch in closes:
            batch.state = "committed"

    def _report_unsolicited(
        self, key: str, seen: dict[str, Seen], evaluation: bool, now: int
    ) -> dict[str, Any]:
        """Outcomes of tasks that were not leased: a commit of their own, or by keys of its own an evaluation."""
        for task in seen:
            if not self._has(task):
                raise Problem(422, "invalid-request", f"outcomes: task {task!r} is not one of this run")
        stands = self._unsolicited.setdefault((key, evaluation), {})
        fresh, differing = _sorted_out(seen, stands)
        stands |= fresh
        rows = [[task, *outcome] for task, outcome in fresh.items()]
        entering = [(task, list(outcome)) for task, outcome in fresh.items()]
        if rows and evaluation:
            self._enter(entering, expected=None)
            self._log(now, "observed", key=key, rows=rows)
        elif rows:
            self._step += 1
            self._enter(entering, expected=[None] * len(entering))
            self._log(
                now,
                "committed",
                selection=None,
                key=key,
                step=self._step,
                reason="unsolicited",
                outcomes=rows,
                closes=[],
            )
        return {
            "selection": None,
            "accepted": len(fresh),
            "duplicates": len(seen) - len(fresh) - len(differing),
            "differing": len(differing),
            "differing_tasks": differing[:DIFFERING_NAMED],
            "dropped": 0,
            "remaining": 0,
            "committed": not evaluation,
            "step": self._step,
        }


def _sorted_out(seen: dict[str, Seen], stands: dict[str, Seen]) -> tuple[dict[str, Seen], list[str]]:
    """What is new, and the tasks for which something else stands."""
    fresh = {task: outcome for task, outcome in seen.items() if task not in stands}
    differing = [task for task in seen if task in stands and not is_same(seen[task], stands[task])]
    return fresh, differing
