"""The groups of a step as they are reported: the rewards of each task's rollouts, and the tasks without any."""

import math
from collections.abc import Collection, Iterable

from trainer_client.outcomes import Outcomes, outcome_list

Reward = float | None
"""Of one rollout, as the run takes it; None or NaN if it was not scored."""

NOT_SCORED = "not scored"
"""Why a task is dropped of which no rollout has a reward."""


def grouped(tasks: Iterable[str], groups: Iterable[Iterable[Reward]]) -> dict[str, list[float]]:
    """The scored rewards of each task, for `report`, where the rollouts of one task stand side by side.

    Args:
        tasks: a selection's tasks, each once.
        groups: as long as `tasks`: the rewards of each task's rollouts.

    Returns:
        The rewards by task. A task without any scored rollout is left out: nothing is known of it.

    Raises:
        ValueError: `tasks` and `groups` differ in length.
    """
    scored = {task: _scored(group) for task, group in zip(tasks, groups, strict=True)}
    return {task: rewards for task, rewards in scored.items() if rewards}


def by_task(tasks: Iterable[str], rewards: Iterable[Reward]) -> dict[str, list[Reward]]:
    """The rewards of each task, scored or not, where each rollout is a row, in any order.

    Args:
        tasks: the task of each rollout.
        rewards: as long as `tasks`: the reward of each rollout.

    Raises:
        ValueError: `tasks` and `rewards` differ in length.
    """
    tasks = list(tasks)
    return dict(by_group(tasks, tasks, rewards))


def by_group(
    groups: Iterable[str], tasks: Iterable[str], rewards: Iterable[Reward]
) -> list[tuple[str, list[Reward]]]:
    """The task and the rewards, scored or not, of each group, where each rollout is a row, in any order.

    Args:
        groups: what the framework tells the group of each rollout by.
        tasks: as long as `groups`: the task of each rollout.
        rewards: likewise: the reward of each rollout.

    Raises:
        ValueError: they differ in length.
    """
    made: dict[str, tuple[str, list[Reward]]] = {}
    for group, task, reward in zip(groups, tasks, rewards, strict=True):
        made.setdefault(group, (task, []))[1].append(reward)
    return list(made.values())


def one_a_task(groups: Iterable[tuple[str, list[Reward]]]) -> list[dict[str, list[Reward]]]:
    """Groups by their tasks, in as few parts as have each task once: two groups of a task are of two batches."""
    parts: list[dict[str, list[Reward]]] = []
    for task, rewards in groups:
        part = next((part for part in parts if task not in part), None)
        if part is None:
            parts.append(part := {})
        part[task] = rewards
    return parts


def grouped_by_rollout(tasks: Iterable[str], rewards: Iterable[Reward]) -> dict[str, list[float]]:
    """The scored rewards of each task, for `report`, where each rollout is a row, in any order.

    As `by_task`, but a task without any scored rollout is left out: nothing is known of it.
    """
    groups = by_task(tasks, rewards)
    return grouped(groups, groups.values())


def _scored(rewards: Iterable[Reward]) -> list[float]:
    return [reward for reward in rewards if reward is not None and not math.isnan(reward)]


def not_scored(tasks: Iterable[str], outcomes: Collection[str]) -> dict[str, str]:
    """The tasks of which nothing is known, for `dropped` of a report, each with the reason."""
    return {task: NOT_SCORED for task in tasks if task not in outcomes}


def effective_task_ratio(outcomes: Outcomes) -> float | None:
    """The share of tasks whose rewards were not all equal; None if there are no tasks."""
    seen = outcome_list(outcomes)
    if not seen:
        return None
    return sum(outcome.informative for outcome in seen) / len(seen)
