"""The contract as a plain model in memory: what a run answers, whatever was called before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from selector_api.core.tasks import DEFAULT_DOMAIN
from tests.core.dense import DenseRun
from tests.promises.pair import Task


class Rewards(NamedTuple):
    """The rewards of a group."""

    each: tuple[float, ...]


class Counts(NamedTuple):
    """A group of which no more is told."""

    successes: float
    trials: int


Value = Rewards | Counts


class Sent(NamedTuple):
    """A row of a report: rewards, or successes out of trials."""

    task: str
    value: Value

    def body(self) -> dict[str, Any]:
        if isinstance(self.value, Rewards):
            return {"task": self.task, "rewards": list(self.value.each)}
        return {"task": self.task, "successes": self.value.successes, "trials": self.value.trials}


class Outcome(NamedTuple):
    """What all rows of one task in a report come to."""

    successes: float
    trials: int
    informative: bool
    """Whether its rewards are not all equal, if they are known."""

    @classmethod
    def of(cls, values: Sequence[Value]) -> Outcome:
        rewards = [reward for value in values if isinstance(value, Rewards) for reward in value.each]
        counts = [value for value in values if isinstance(value, Counts)]
        successes = sum(rewards) + sum(value.successes for value in counts)
        trials = len(rewards) + sum(value.trials for value in counts)
        by_counts = bool(counts) and 0 < successes < trials
        return cls(successes, trials, by_counts or len(set(rewards)) > 1)


@dataclass
class Held:
    """A selection: its tasks, and the first outcome that was reported of each."""

    batch_size: int
    tasks: list[str]
    open: bool = True
    known: dict[str, Outcome] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return "open" if self.open else "committed" if self.known else "released"


class Model:
    """A run's state, as its callers may expect it."""

    def __init__(self, dense: DenseRun, share_leased: bool) -> None:
        self.dense = dense
        self.share_leased = share_leased
        self.pool: dict[str, Task] = {}
        self.selections: dict[str, Held] = {}
        self.by_key: dict[str, str] = {}
        self.evidence: dict[tuple[str, str], Outcome] = {}
        self.commits: list[dict[str, Outcome]] = []
        self.times_selected: Counter[str] = Counter()
        self.last_step: dict[str, int] = {}
        self.excluded: set[str] = set()
        self.retired: set[str] = set()
        self._committed = self._released = 0

    # What is there

    @property
    def step(self) -> int:
        return len(self.commits)

    @property
    def open(self) -> list[str]:
        return [name for name, held in self.selections.items() if held.open]

    @property
    def free(self) -> set[str]:
        """The tasks that may be handed out."""
        leased = {task for name in self.open for task in self.selections[name].tasks}
        return set(self.pool) - (set() if self.share_leased else leased) - self.excluded - self.retired

    def view(self) -> dict[str, Any]:
        """`GET /runs/{run}` but for the run's name, its config and its capability."""
        return {
            "step": self.step,
            "tasks": len(self.pool),
            "selections": {
                "open": len(self.open),
                "committed": self._committed,
                "released": self._released,
                "expired": self._released,
            },
            "etr": {
                "last": self._ratio(1),
                "recent": self._ratio(20),
                "by_domain": {domain: self._ratio(20, domain) for domain in self.domains},
                "evaluation": None,
            },
            "excluded": len(self.excluded | self.retired),
            "never_selected": sum(not self.times_selected[task] for task in self.pool),
        }

    @property
    def domains(self) -> set[str]:
        return {self._domain(task) for task in self.pool}

    def _domain(self, task: str) -> str:
        return self.pool[task].get("domain", DEFAULT_DOMAIN)

    def _ratio(self, commits: int, domain: str | None = None) -> float | None:
        effective = [
            outcome.informative
            for commit in self.commits[-commits:]
            for task, outcome in commit.items()
            if domain in (None, self._domain(task))
        ]
        return sum(effective) / len(effective) if effective else None

    # What happens

    def grow(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self.pool[task["id"]] = task
            rates = task.get("references", {})
            self.dense.join(task["id"], self._domain(task["id"]), rates.get("weak"), rates.get("strong"))

    def select(self, name: str, batch_size: int, tasks: list[str], key: str | None) -> None:
        """A new selection was answered."""
        assert name not in self.selections
        assert len(tasks) == len(set(tasks)) == batch_size
        assert set(tasks) <= self.free, "a task that is leased or not the run's"
        self.selections[name] = Held(batch_size, tasks)
        self.times_selected.update(tasks)
        if key is not None:
            self.by_key[key] = name

    def report(self, name: str, outcomes: Sequence[Sent], final: bool) -> dict[str, Any]:
        """The receipt of a report."""
        held = self.selections[name]
        fresh, others = _told_apart(outcomes, held.known)
        held.known |= fresh
        if held.open:
            if final or len(held.known) == len(held.tasks):
                self.close(name)
        elif fresh:
            self._commit(name, fresh)
        return {
            "selection": name,
            "accepted": len(fresh),
            **others,
            "remaining": len(held.tasks) - len(held.known),
            "committed": bool(held.known) and not held.open,
            "step": self.step,
        }

    def report_unsolicited(self, key: str, outcomes: Sequence[Sent]) -> dict[str, Any]:
        """The receipt of a report without a selection: of each key and task the first value counts."""
        source = f"key {key}"
        known = {task: value for (of, task), value in self.evidence.items() if of == source}
        fresh, others = _told_apart(outcomes, known)
        if fresh:
            self._commit(source, fresh)
        return {
            "selection": None,
            "accepted": len(fresh),
            **others,
            "remaining": 0,
            "committed": True,
            "step": self.step,
        }

    def close(self, name: str) -> None:
        """All is reported, or `final` was sent, or the lease has ended."""
        held = self.selections[name]
        held.open = False
        if held.known:
            self._committed += 1
            self._commit(name, held.known)
        else:
            self._released += 1

    def _commit(self, source: str, outcomes: dict[str, Outcome]) -> None:
        outcomes = dict(outcomes)
        self.dense.commit({task: (seen.successes, seen.trials) for task, seen in outcomes.items()})
        self.commits.append(outcomes)
        self.evidence |= {(source, task): value for task, value in outcomes.items()}
        self.last_step |= dict.fromkeys(outcomes, self.step)


def _told_apart(
    outcomes: Sequence[Sent], known: Mapping[str, Outcome]
) -> tuple[dict[str, Outcome], dict[str, Any]]:
    """The outcomes of tasks that are not known, rows of one task summed, and what a receipt tells of the others."""
    values: dict[str, list[Value]] = {}
    for row in outcomes:
        values.setdefault(row.task, []).append(row.value)
    sent = {task: Outcome.of(of_task) for task, of_task in values.items()}
    differing = [task for task, value in sent.items() if task in known and value != known[task]]
    fresh = {task: value for task, value in sent.items() if task not in known}
    return fresh, {
        "duplicates": len(sent) - len(fresh) - len(differing),
        "differing": len(differing),
        "differing_tasks": differing[:10],
        "dropped": 0,
    }
