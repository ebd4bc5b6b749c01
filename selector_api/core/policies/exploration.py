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
