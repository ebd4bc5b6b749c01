"""What a report's rows come to: one outcome or drop a task, counted by the run's rewards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from selector_api.core.rewards import Rewards
from selector_api.core.rewards.kind import RewardOutside
from selector_api.store.codec import Drop, Outcome
from selector_api.web import problems
from selector_api.web.problems import Problem
from selector_api.web.schemas.selections import OutcomeItem


@dataclass
class _Rows:
    """All rows of one task in a report."""

    rewards: list[float] = field(default_factory=list[float])
    places: list[str] = field(default_factory=list[str])
    """Where each of the rewards stands in the body."""
    counts: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    first: int = 0
    dropped: str | None = None

    def add(self, number: int, item: OutcomeItem) -> None:
        """Take in row `number` of the body."""
        if item.dropped is not None:
            self.dropped = item.dropped
        elif item.reward is not None:
            self.rewards.append(item.reward)
            self.places.append(f"outcomes[{number}].reward")
        elif item.rewards is not None:
            self.rewards += item.rewards
            self.places += [f"outcomes[{number}].rewards[{place}]" for place in range(len(item.rewards))]
        elif item.successes is not None and item.trials is not None:
            self.counts.append((item.successes, item.trials))


def counted(
    items: Sequence[OutcomeItem], rewards: Rewards, policy_version: int | None
) -> list[Outcome | Drop]:
    """The outcomes and drops of a report, by task in the order in which the tasks come first.

    Rows of one task are one outcome.

    Raises:
        Problem: a reward is not one of the run's, or a task has both an outcome and a drop.
    """
    by_task: dict[str, _Rows] = {}
    for number, item in enumerate(items):
        rows = by_task.get(item.task)
        if rows is None:
            rows = by_task[item.task] = _Rows(first=number)
        elif (item.dropped is None) == (rows.dropped is not None):
            raise Problem(
                problems.INVALID_REQUEST,
                f"outcomes[{number}]: it and outcomes[{rows.first}] are a drop and an outcome of one task, "
                f"{item.task!r}; send either, nothing was counted",
            )
        rows.add(number, item)
    return [_one(task, rows, rewards, policy_version) for task, rows in by_task.items()]


def _one(task: str, rows: _Rows, rewards: Rewards, policy_version: int | None) -> Outcome | Drop:
    if rows.dropped is not None:
        return Drop(task, rows.dropped)
    try:
        seen = rewards.counted(rows.rewards, rows.counts)
    except RewardOutside as error:
        place = rows.places[error.place]
        raise Problem(problems.INVALID_REQUEST, f"{place}: of task {task!r}, {error}") from error
    return Outcome(task, seen.successes, seen.trials, seen.informative, policy_version)
