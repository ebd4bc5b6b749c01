"""What trainers send of tasks, and what it comes to, worked out in the plainest way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Rewards(NamedTuple):
    """The rewards of a group."""

    each: tuple[float, ...]

    def body(self) -> dict[str, Any]:
        return {"reward": self.each[0]} if len(self.each) == 1 else {"rewards": list(self.each)}


class Counts(NamedTuple):
    """A group of which no more is told."""

    successes: float
    trials: int

    def body(self) -> dict[str, Any]:
        return {"successes": self.successes, "trials": self.trials}


class Drop(NamedTuple):
    """The task could not be scored."""

    why: str

    def body(self) -> dict[str, Any]:
        return {"dropped": self.why}


Value = Rewards | Counts | Drop


class Sent(NamedTuple):
    """A row of a report."""

    task: str
    value: Value

    def body(self) -> dict[str, Any]:
        return {"task": self.task, **self.value.body()}


class Outcome(NamedTuple):
    """What all rows of one task in a report come to."""

    successes: float
    trials: int
    informative: bool
    """Whether its rewards are not all equal, if they are known."""


Known = Outcome | None
"""What is known of a task; None: it was dropped, for whatever reason."""


class Row(NamedTuple):
    """An outcome that entered the posteriors: of a selection, or of the key of a report without one."""

    source: str
    task: str
    outcome: Outcome


@dataclass(frozen=True)
class Received:
    """A report beside what stood before."""

    fresh: dict[str, Known]
    """By task, in the order in which they came."""
    duplicates: int
    differing: list[str]

    @classmethod
    def of(cls, rows: Sequence[Sent], standing: Mapping[str, Known]) -> Received:
        """Of each task what stands, stands; rows of one task are one outcome."""
        sent = {row.task: _together([each.value for each in rows if each.task == row.task]) for row in rows}
        differing = [task for task in sent if task in standing and sent[task] != standing[task]]
        fresh = {task: value for task, value in sent.items() if task not in standing}
        return cls(fresh, len(sent) - len(fresh) - len(differing), differing)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """Of the fresh ones those that are no drops."""
        return {task: value for task, value in self.fresh.items() if value is not None}

    @property
    def drops(self) -> list[str]:
        """The tasks of the fresh ones that are drops."""
        return [task for task, value in self.fresh.items() if value is None]

    def receipt(self, selection: str | None, remaining: int, committed: bool, step: int) -> dict[str, Any]:
        """What the caller is answered."""
        return {
            "selection": selection,
            "accepted": len(self.outcomes),
            "duplicates": self.duplicates,
            "differing": len(self.differing),
            "differing_tasks": self.differing[:10],
            "dropped": len(self.drops),
            "remaining": remaining,
            "committed": committed,
            "step": step,
        }


def contradicts_itself(rows: Sequence[Sent]) -> bool:
    """Whether it tells of one task both an outcome and a drop."""
    dropped = {row.task for row in rows if isinstance(row.value, Drop)}
    return any(row.task in dropped and not isinstance(row.value, Drop) for row in rows)


def _together(values: Sequence[Value]) -> Known:
    if any(isinstance(value, Drop) for value in values):
        return None
    rewards = [reward for value in values if isinstance(value, Rewards) for reward in value.each]
    counts = [value for value in values if isinstance(value, Counts)]
    successes = sum(rewards) + sum(value.successes for value in counts)
    trials = len(rewards) + sum(value.trials for value in counts)
    by_counts = bool(counts) and 0 < successes < trials
    return Outcome(successes, trials, by_counts or len(set(rewards)) > 1)
