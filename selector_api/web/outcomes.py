"""What a report's rows come to: one outcome or drop a task, counted by the run's rewards."""

from __future__ import annotations

from collections.abc import Sequence

from selector_api.core.rewards import Rewards
from selector_api.core.rewards.kind import RewardOutside
from selector_api.store.codec import Drop, Outcome
from selector_api.web import problems
from selector_api.web.problems import Problem
from selector_api.web.schemas.selections import OutcomeItem


def counted(
    items: Sequence[OutcomeItem], rewards: Rewards, policy_version: int | None
) -> list[Outcome | Drop]:
    """The outcomes and drops of a report, by task in the order in which the tasks come first.

    Rows of one task are one outcome.

    Raises:
        Problem: a reward is not one of the run's, or a task has both an outcome and a drop.
    """
    by_task: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        rows = by_task.setdefault(item.task, [])
        if rows and (item.dropped is None) != (items[rows[0]].dropped is None):
            raise Problem(
                problems.INVALID_REQUEST,
                f"outcomes[{number}]: it and outcomes[{rows[0]}] are a drop and an outcome of one task, "
                f"{item.task!r}; send either, nothing was counted",
            )
        rows.append(number)
    return [_one(task, items, rows, rewards, policy_version) for task, rows in by_task.items()]


def _one(
    task: str, items: Sequence[OutcomeItem], rows: list[int], rewards: Rewards, policy_version: int | None
) -> Outcome | Drop:
    """What these rows of a report, all of `task`, come to."""
    last = items[rows[-1]]
    if len(rows) == 1 and last.successes is not None and last.trials is not None:  # the most frequent by far
        return Outcome(task, last.successes, last.trials, None, policy_version)
    mine = [items[row] for row in rows]
    if (why := last.dropped) is not None:
        return Drop(task, why)
    told = [reward for item in mine for reward in _rewards(item)]
    counts = [
        (item.successes, item.trials)
        for item in mine
        if item.successes is not None and item.trials is not None
    ]
    try:
        seen = rewards.counted(told, counts)
    except RewardOutside as error:
        places = [place for row in rows for place in _places(row, items[row])]
        raise Problem(
            problems.INVALID_REQUEST, f"{places[error.place]}: of task {task!r}, {error}"
        ) from error
    return Outcome(task, seen.successes, seen.trials, seen.informative, policy_version)


def _rewards(item: OutcomeItem) -> Sequence[float]:
    return item.rewards or (() if item.reward is None else (item.reward,))


def _places(row: int, item: OutcomeItem) -> list[str]:
    """Where each reward of a row stands in the body."""
    if item.reward is not None:
        return [f"outcomes[{row}].reward"]
    return [f"outcomes[{row}].rewards[{place}]" for place in range(len(item.rewards or ()))]
