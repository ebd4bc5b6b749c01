"""What happened to a run, one thing after another, and what follows from it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.core.dense import DenseRun
from tests.promises.pair import Task
from tests.promises.rows import Outcome, Row

DEFAULT_DOMAIN = "default"
LONGEST_REST = 1024


class Joined(NamedTuple):
    """Tasks that the run has from now on."""

    tasks: tuple[str, ...]


class Selected(NamedTuple):
    """Tasks were handed out."""

    selection: str
    tasks: tuple[str, ...]


class Dropped(NamedTuple):
    """Tasks of a selection could not be scored."""

    selection: str
    tasks: tuple[str, ...]


class Committed(NamedTuple):
    """Outcomes entered the posteriors: a step."""

    rows: tuple[Row, ...]
    ended: tuple[str, ...]
    """Selections that ended with it."""


class Released(NamedTuple):
    """A selection ended without further outcomes."""

    selection: str


class Observed(NamedTuple):
    """Outcomes of an evaluation."""

    rows: tuple[Row, ...]


class Withheld(NamedTuple):
    """Tasks are excluded, or included again."""

    tasks: tuple[str, ...]
    excluded: bool


Fact = Joined | Selected | Dropped | Committed | Released | Observed | Withheld


class Pool:
    """A pool: its tasks, and which of them no run draws."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.retired: set[str] = set()

    def domain(self, task: str) -> str:
        return self.tasks[task].get("domain", DEFAULT_DOMAIN)

    def rates(self, task: str) -> dict[str, float]:
        return self.tasks[task].get("references", {})


class Course:
    """A run's course so far."""

    def __init__(self, pool: Pool, dense: DenseRun) -> None:
        self.pool = pool
        self.dense = dense
        self.facts: list[Fact] = []
        self.tasks: list[str] = []
        self.commits: list[tuple[Row, ...]] = []
        self.evaluated: list[Outcome] = []
        self.ended = Counter[str]()
        """Of its selections, how many ended `committed` and how many `released`."""
        self.times_selected = Counter[str]()
        self.last_step: dict[str, int] = {}
        self.successes: defaultdict[str, float] = defaultdict(float)
        self.trials = Counter[str]()
        self.dropped = Counter[str]()
        self.excluded: set[str] = set()
        self._entered = Counter[str]()
        self._in_a_row = Counter[str]()
        self._rests_until: dict[str, int] = {}

    @property
    def step(self) -> int:
        return len(self.commits)

    @property
    def resting(self) -> set[str]:
        """Tasks that are drawn only if the others are too few."""
        return {task for task, step in self._rests_until.items() if self.step < step}

    def happens(self, fact: Fact) -> None:
        """Take in what happens next."""
        self.facts.append(fact)
        match fact:
            case Joined(tasks):
                for task in tasks:
                    rates = self.pool.rates(task)
                    self.dense.join(task, self.pool.domain(task), rates.get("weak"), rates.get("strong"))
                self.tasks += tasks
            case Selected(_, tasks):
                self.times_selected.update(tasks)
            case Dropped(_, tasks):
                self.dropped.update(tasks)
                self._in_a_row.update(tasks)
                for task in tasks:
                    rest = min(2 ** (self._in_a_row[task] - 1), LONGEST_REST)
                    self._rests_until[task] = self.step + rest
            case Committed(rows, ended):
                self.dense.commit(_summed(rows))
                self.commits.append(rows)
                self.last_step |= {row.task: self.step for row in rows}
                self._count(rows)
                self._entered.update(row.source for row in rows)
                self.ended["committed"] += len(ended)
            case Released(selection):
                self.ended["committed" if self._entered[selection] else "released"] += 1
            case Observed(rows):
                self.dense.inform(_summed(rows))
                self.evaluated += [row.outcome for row in rows]
                self._count(rows)
            case Withheld(tasks, excluded):
                self.excluded = self.excluded | set(tasks) if excluded else self.excluded - set(tasks)

    def _count(self, rows: Sequence[Row]) -> None:
        for _, task, outcome in rows:
            self.successes[task] += outcome.successes
            self.trials[task] += outcome.trials
            self._in_a_row.pop(task, None)
            self._rests_until.pop(task, None)

    def etr(self) -> dict[str, Any]:
        """Effective task ratios, as `GET /runs/{run}` tells them."""
        recent = [row for commit in self.commits[-20:] for row in commit]
        domains = {self.pool.domain(task) for task in self.tasks}
        by_domain = {
            domain: _ratio([row.outcome for row in recent if self.pool.domain(row.task) == domain])
            for domain in domains
        }
        return {
            "last": _ratio([row.outcome for commit in self.commits[-1:] for row in commit]),
            "recent": _ratio([row.outcome for row in recent]),
            "by_domain": by_domain,
            "evaluation": _ratio(self.evaluated),
        }


def taken_over(facts: Sequence[Fact], step: int | None) -> list[Fact]:
    """What a fork of a run begins with: all until its commit number `step`, None for the last.

    Of what came later it takes the tasks, and which of them are excluded. Selections that are open then end: if
    some of their outcomes have entered the posteriors, with these; if not, it is as if they had never been made.
    """
    taken: list[Fact] = []
    commits = 0
    for fact in facts:
        if step is None or commits < step or isinstance(fact, Joined | Withheld):
            taken.append(fact)
        commits += isinstance(fact, Committed)
    entered = {row.source for fact in taken if isinstance(fact, Committed) for row in fact.rows}
    ended = {name for fact in taken if isinstance(fact, Committed) for name in fact.ended}
    ended |= {fact.selection for fact in taken if isinstance(fact, Released)}
    open_ = [fact.selection for fact in taken if isinstance(fact, Selected) and fact.selection not in ended]
    forgotten = set(open_) - entered
    taken = [
        fact for fact in taken if not isinstance(fact, Selected | Dropped) or fact.selection not in forgotten
    ]
    return taken + [Released(name) for name in open_ if name not in forgotten]


def _summed(rows: Sequence[Row]) -> dict[str, tuple[float, int]]:
    """(successes, trials) by task."""
    sums: dict[str, tuple[float, int]] = {}
    for _, task, outcome in rows:
        successes, trials = sums.get(task, (0.0, 0))
        sums[task] = (successes + outcome.successes, trials + outcome.trials)
    return sums


def _ratio(outcomes: Sequence[Outcome]) -> float | None:
    return sum(each.informative for each in outcomes) / len(outcomes) if outcomes else None
