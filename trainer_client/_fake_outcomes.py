"""What the rows of a report come to in the fake: an outcome or a drop a task, counted by the run's rewards."""

import math
from collections.abc import Sequence
from typing import Any

from trainer_client._contract.web_schemas_selections import OutcomeItem
from trainer_client._fake_http import Problem
from trainer_client.rewards import RewardOutOfRange, RewardScale

Seen = list[Any] | str
"""`[successes, trials]` and perhaps `{"informative"?, "policy_version"?}`; or why the task was dropped."""


def counted(items: Sequence[OutcomeItem], scale: RewardScale, policy_version: int | None) -> dict[str, Seen]:
    """The outcome or drop of each task.

    Raises:
        Problem: a reward is not one of the run's, or a task has both an outcome and a drop.
    """
    by_task: dict[str, list[OutcomeItem]] = {}
    for number, item in enumerate(items):
        rows = by_task.setdefault(item.task, [])
        if rows and (item.dropped is None) == (rows[0].dropped is not None):
            raise Problem(
                422, "invalid-request", f"outcomes[{number}]: task {item.task!r} has an outcome and a drop"
            )
        rows.append(item)
    return {task: _one(task, rows, scale, policy_version) for task, rows in by_task.items()}


def _one(task: str, rows: list[OutcomeItem], scale: RewardScale, policy_version: int | None) -> Seen:
    if rows[0].dropped is not None:
        return rows[-1].dropped or rows[0].dropped
    rewards = [reward for row in rows for reward in row.rewards or ()]
    rewards += [row.reward for row in rows if row.reward is not None]
    try:
        scale.check_all(rewards)
    except RewardOutOfRange as error:
        raise Problem(422, "invalid-request", f"outcomes: of task {task!r}, {error}") from error
    counts = [
        (row.successes, row.trials) for row in rows if row.successes is not None and row.trials is not None
    ]
    successes = math.fsum([*map(scale.worth, rewards), *(count[0] for count in counts)])
    trials = len(rewards) + sum(count[1] for count in counts)
    mixed = 0 < successes < trials
    informative = len(set(map(scale.held, rewards))) > 1 or (bool(counts) and mixed)
    told: dict[str, Any] = {} if informative == mixed else {"informative": informative}
    if policy_version is not None:
        told["policy_version"] = policy_version
    return [successes, trials, *([told] if told else [])]


def is_informative(seen: list[Any]) -> bool:
    """Whether a group's rewards were not all equal."""
    if len(seen) > 2 and "informative" in seen[2]:
        return seen[2]["informative"]
    return 0 < seen[0] < seen[1]


def is_same(one: Seen, other: Seen) -> bool:
    """Whether two tell the same of a task."""
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str)  # whatever the reasons
    return one[:2] == other[:2] and is_informative(one) == is_informative(other)
