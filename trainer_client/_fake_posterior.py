"""The fake selector's posteriors: Betas that know the trainers' evidence only."""

import math
import random
from collections.abc import Iterable
from typing import Any

Counts = tuple[str, list[Any]]
"""A task, and its successes, trials and perhaps more."""


class FakePosterior:
    """A discounted Beta posterior a task: `bots` without implicit evidence, which also stands for any other kind.

    Args:
        config: of the run's posterior. What it does not have of (α0, β0) and λ is (1, 1) and 0; a kind other than
            `bots` has no parameters.
    """

    def __init__(self, config: Any):
        self._prior: tuple[float, float] = getattr(config, "prior", (1.0, 1.0))
        self._forgetting: float = getattr(config, "forgetting", 0.0)
        self._is_beta = config.type == "bots"
        self._alpha: dict[str, float] = {}
        self._beta: dict[str, float] = {}

    def grow(self, tasks: Iterable[str]) -> None:
        """Take up tasks."""
        for task in tasks:
            self._alpha[task], self._beta[task] = self._prior

    def observe(self, outcomes: Iterable[Counts], *, forget: bool) -> None:
        """Take in outcomes; a commit forgets, an evaluation does not."""
        alpha, beta = self._prior
        for task in self._alpha if forget else ():
            self._alpha[task] += self._forgetting * (alpha - self._alpha[task])
            self._beta[task] += self._forgetting * (beta - self._beta[task])
        for task, (successes, trials, *_) in outcomes:
            self._alpha[task] += successes
            self._beta[task] += trials - successes

    def of(self, task: str) -> dict[str, float]:
        """Mean, standard deviation and the parameters of a task."""
        alpha, beta = self._alpha[task], self._beta[task]
        mean = alpha / (alpha + beta)
        sd = (mean * (1 - mean) / (alpha + beta + 1)) ** 0.5
        return {"mean": mean, "sd": sd} | ({"alpha": alpha, "beta": beta} if self._is_beta else {})

    def informative(self, task: str, rollouts: int) -> float:
        """Probability that so many rollouts of a task neither all pass nor all fail."""
        alpha, beta = self._alpha[task], self._beta[task]
        ratios = range(rollouts)
        passed = math.prod((alpha + each) / (alpha + beta + each) for each in ratios)
        failed = math.prod((beta + each) / (alpha + beta + each) for each in ratios)
        return max(1.0 - passed - failed, 0.0)

    def draw(self, task: str, draws: random.Random) -> float:
        """A success rate drawn from a task's posterior."""
        return draws.betavariate(self._alpha[task], self._beta[task])
