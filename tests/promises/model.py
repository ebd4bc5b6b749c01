"""The contract as a plain model in memory: what a run answers, whatever was called before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.core.dense import DenseRun
from tests.promises.course import Committed as Commit
from tests.promises.course import (
    Course,
    Dropped,
    Joined,
    Observed,
    Pool,
    Released,
    Selected,
    Withheld,
    taken_over,
)
from tests.promises.rows import Known, Received, Row, Sent


@dataclass
class Held:
    """A selection that this run made."""

    tasks: list[str]
    batch_size: int
    key: str | None
    step: int
    expires_at: Any
    """When its lease ends, in whatever form sorts by that."""
    leased: set[str]
    """Its tasks that nobody else gets, unless leased tasks are shared."""
    known: dict[str, Known] = field(default_factory=dict)
    """The first outcome or drop that was reported of each task."""
    entered: set[str] = field(default_factory=set)
    """Tasks whose outcomes have entered the posteriors."""
    awaited: bool = True
    """Whether more of its tasks are expected to be reported."""
    left_out: set[str] = field(default_factory=set)
    """Tasks that no report had mentioned when the last one said that it was: they count as dropped."""
    closed: bool = False

    @property
    def status(self) -> str:
        return "open" if not self.closed else "committed" if self.entered else "released"

    @property
    def outcomes(self) -> set[str]:
        """Tasks of which an outcome is known."""
        return {task for task, value in self.known.items() if value is not None}

    @property
    def waiting(self) -> set[str]:
        """Those of them that have not entered the posteriors."""
        return self.outcomes - self.entered

    @property
    def unknown(self) -> list[str]:
        return [task for task in self.tasks if task not in self.known]


class Model:
    """A run's state, as its callers may expect it."""

    def __init__(
        self, pool: Pool, dense: DenseRun, share_leased: bool, parent: dict[str, Any] | None = None
    ) -> None:
        self.pool = pool
        self.course = Course(pool, dense)
        self.share_leased = share_leased
        self.commit_every: int | None = None
        """Outcomes a commit; None: a commit a selection."""
        self.parent = parent
        self.selections: dict[str, Held] = {}
        self.by_key: dict[str, str] = {}
        self._without_selection: dict[tuple[str, bool], dict[str, Known]] = {}
        """By the key of a report, whether it is an evaluation, and the task."""
        self._waiting: list[tuple[str, str]] = []
        """Selections and tasks whose outcomes have not entered the posteriors, in the order of their arrival."""

    def forked(self, name: str, step: int | None, dense: DenseRun) -> Model:
        """A fork of this run, named `name`: it has its evidence, but neither its keys nor its selections."""
        at = self.course.step if step is None else step
        fork = Model(self.pool, dense, self.share_leased, {"run": name, "step": at})
        for fact in taken_over(self.course.facts, step):
            fork.course.happens(fact)
        fork.commit_every = self.commit_every
        return fork

    # What is there

    @property
    def open(self) -> list[str]:
        return [name for name, held in self.selections.items() if not held.closed]

    @property
    def free(self) -> set[str]:
        """The tasks that may be handed out."""
        leased = {task for held in self.selections.values() for task in held.leased}
        withheld = self.course.excluded | self.pool.retired
        return set(self.course.tasks) - (set() if self.share_leased else leased) - withheld

    def view(self) -> dict[str, Any]:
        """`GET /runs/{run}` but for the run's name, its config, its capability and its figures of prediction."""
        course = self.course
        ended = {status: course.ended[status] for status in ("committed", "released")}
        return {
            "step": course.step,
            "tasks": len(course.tasks),
            "selections": {"open": len(self.open), **ended, "expired": ended["released"]},
            "etr": course.etr(),
            "excluded": len(course.excluded | self.pool.retired),
            "never_selected": sum(not course.times_selected[task] for task in course.tasks),
            "dropped": course.dropped.total(),
            "parent": self.parent,
        }

    def row(self, task: str) -> dict[str, Any]:
        """A task in `GET /runs/{run}/posteriors`, but for its posterior."""
        course = self.course
        return {
            "task": task,
            "domain": self.pool.domain(task),
            "selected": course.times_selected[task],
            "last_step": course.last_step.get(task),
            "successes": course.successes[task],
            "trials": course.trials[task],
            "dropped": course.dropped[task],
            "excluded": task in course.excluded | self.pool.retired,
        }

    def listed(self) -> list[dict[str, Any]]:
        """`GET /runs/{run}/selections`, but for when the leases of closed ones would have ended."""
        return [
            {
                "selection": name,
                "status": held.status,
                "key": held.key,
                "step": held.step,
                "tasks": held.tasks,
                "reported": len(held.outcomes),
                "expires_at": None if held.closed else held.expires_at,
            }
            for name, held in self.selections.items()
        ]

    # What happens

    def grow(self, tasks: Sequence[str]) -> None:
        self.course.happens(Joined(tuple(tasks)))

    def exclude(self, tasks: Sequence[str], excluded: bool) -> dict[str, int]:
        """What the caller is answered."""
        changed = {task for task in tasks if (task in self.course.excluded) != excluded}
        self.course.happens(Withheld(tuple(tasks), excluded))
        return {"changed": len(changed), "excluded": len(self.course.excluded)}

    def select(self, batch_size: int, key: str | None, answer: dict[str, Any]) -> None:
        """A new selection was answered, drawn from the state as it is."""
        assert answer["step"] == self.course.step
        tasks, rested = set(answer["tasks"]), self.free - self.course.resting
        assert tasks <= rested or rested <= tasks, "a task that rests, before those that do not"
        self.hand_out(batch_size, key, answer)

    def hand_out(self, batch_size: int, key: str | None, answer: dict[str, Any]) -> None:
        """A new selection was answered; commits may have come since it was drawn."""
        name, tasks = answer["selection"], answer["tasks"]
        assert name not in self.selections
        assert (answer["replayed"], answer["status"]) == (False, "open")
        assert len(tasks) == len(set(tasks)) == batch_size
        assert set(tasks) <= self.free, "a task that is leased, withheld or not the run's"
        self.selections[name] = Held(
            tasks, batch_size, key, answer["step"], answer["expires_at"], leased=set(tasks)
        )
        self.course.happens(Selected(name, tuple(tasks)))
        if key is not None:
            self.by_key[key] = name

    def report(self, name: str, rows: Sequence[Sent], final: bool) -> dict[str, Any]:
        """The receipt of a report."""
        held = self.selections[name]
        received = Received.of(rows, held.known)
        held.known |= received.fresh
        self._drop(name, [task for task in received.drops if task not in held.left_out])
        self._waiting += [(name, task) for task in received.outcomes]
        if held.awaited and (final or not held.unknown):
            self._drop(name, held.unknown)
            held.left_out.update(held.unknown)
            self._end(name)
        elif held.closed and held.waiting and self.commit_every is None:
            self._commit(self._waiting_of([name]))
        self._commit_enough()
        committed = bool(held.entered) and not held.waiting
        return received.receipt(name, len(held.unknown), committed, self.course.step)

    def report_without_selection(
        self, key: str, rows: Sequence[Sent], evaluation: bool = False
    ) -> dict[str, Any]:
        """The receipt of a report without a selection: of each key and task the first value counts."""
        known = self._without_selection.setdefault((key, evaluation), {})
        received = Received.of(rows, known)
        known |= received.fresh
        entered = tuple(Row(f"key {key}", task, outcome) for task, outcome in received.outcomes.items())
        if entered:
            self.course.happens(Observed(entered) if evaluation else Commit(entered, ()))
        return received.receipt(None, 0, not evaluation, self.course.step)

    def close(self, name: str) -> None:
        """A lease ends, or is given back: what is reported enters the posteriors, whatever else waits."""
        held = self.selections[name]
        if held.closed:
            return
        held.awaited = False
        entries = self._waiting_of([name]) if self.commit_every is None else self._waiting
        if entries:
            self._commit(entries)
        if not held.closed:
            self._release(name)

    def commit_from_now_on(self, every: int | None) -> None:
        """Let outcomes enter the posteriors otherwise; those that wait come in the order in which leases end."""
        before, self.commit_every = self.commit_every, every
        if before is None:
            by_lease = sorted(self.open, key=lambda name: (self.selections[name].expires_at, name))
            self._waiting = self._waiting_of(by_lease)
        elif every is None and self._waiting:
            self._commit(self._waiting)
        self._commit_enough()

    def _end(self, name: str) -> None:
        """Nothing more is awaited of a selection."""
        held = self.selections[name]
        held.awaited = False
        if self.commit_every is None:
            self.close(name)
        elif not held.waiting:
            self._release(name)

    def _drop(self, name: str, tasks: Sequence[str]) -> None:
        if tasks:
            self.selections[name].leased -= set(tasks)
            self.course.happens(Dropped(name, tuple(tasks)))

    def _release(self, name: str) -> None:
        self._close_now([name])
        self.course.happens(Released(name))

    def _waiting_of(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """What waits of these selections, each in the order of its tasks."""
        return [
            (name, task)
            for name in names
            for task in self.selections[name].tasks
            if task in self.selections[name].waiting
        ]

    def _commit_enough(self) -> None:
        while self.commit_every is not None and len(self._waiting) >= self.commit_every:
            self._commit(self._waiting[: self.commit_every])
        if self.commit_every is not None and self._waiting and not self.open:
            self._commit(self._waiting)  # late ones: no lease is left whose end would

    def _commit(self, entries: Sequence[tuple[str, str]]) -> None:
        """Let these outcomes enter the posteriors; selections of which nothing more is to come end."""
        rows: list[Row] = []
        for name, task in entries:
            held = self.selections[name]
            outcome = held.known[task]
            assert outcome is not None
            rows.append(Row(name, task, outcome))
            held.entered.add(task)
            held.leased.discard(task)
        self._waiting = [entry for entry in self._waiting if entry not in entries]
        names = dict.fromkeys(name for name, _ in entries)
        ended = [
            name
            for name in names
            if not self.selections[name].awaited
            and not self.selections[name].closed
            and not self.selections[name].waiting
        ]
        self._close_now(ended)
        self.course.happens(Commit(tuple(rows), tuple(ended)))

    def _close_now(self, names: Iterable[str]) -> None:
        for name in names:
            self.selections[name].closed = True
            self.selections[name].leased.clear()
