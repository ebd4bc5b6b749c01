"""Exploration: a share of the batch that is drawn uniformly, whatever the posterior says."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from selector_api.core.candidates import Candidates, Choice


def explored(
    share: float,
    candidates: Candidates,
    count: int,
    rng: np.random.Generator,
    choose: Callable[[Candidates, int], Choice],
) -> Choice:
    """`count` of the candidates, of which a `share` in [0, 1] is drawn uniformly and the rest by `choose`.

    The uniform tasks are drawn first, from all candidates, then the policy draws from those that are left:
    so a task's chance of being explored hangs on nothing that the posterior says. Their number is share ×
    count on average: its whole part, and one more with the probability of its fraction. They stand last,
    without a score.
    """
    exact = share * count
    uniform = math.floor(exact)
    if exact > uniform:
        uniform += int(rng.random() < exact - uniform)
    if uniform == 0:
        return choose(candidates, count)
    tasks = candidates.uniform(uniform, rng)
    if uniform == count:
        return Choice.unscored(tasks)
    return Choice.joined(choose(candidates.without(tasks), count - uniform), Choice.unscored(tasks))


def spread(
    share: float,
    candidates: Candidates,
    count: int,
    rng: np.random.Generator,
    order: Callable[[Candidates, int], Choice],
) -> Choice:
    """`count` of the candidates in an order of whose every beginning a `share` in [0, 1] is drawn uniformly.

    The number of those is as in `explored`, and they are spread evenly: at its turn each is any of the tasks that
    are not taken yet, and the others are the next ones in the policy's `order`.
    """
    if share == 0:
        return order(candidates, count)
    by_policy = order(candidates, count)
    scores = dict(zip(by_policy.tasks.tolist(), by_policy.scores.tolist(), strict=True))
    queues = iter(scores), iter(candidates.uniform(count, rng).tolist())
    turns = np.diff(np.floor(share * np.arange(count + 1) + rng.random())).astype(int)
    taken: dict[int, float] = {}
    for turn in turns.tolist():
        task = next(task for task in queues[turn] if task not in taken)
        taken[task] = math.nan if turn else scores[task]
    return Choice(np.array(list(taken), np.int64), np.array(list(taken.values())))
