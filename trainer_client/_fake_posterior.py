"""The fake selector's posteriors: Betas that know the trainers' evidence only."""

import random
from collections.abc import Iterable
from typing import Any

Counts = tuple[str, list[Any]]
"""A task, and its successes, trials and perhaps more."""


class FakePosterior:
    """A discounted Beta posterior a task: the `bots` posterior without implicit evidence.

    Args:
        prior: (α0, β0).
        forgetting: λ, the share that returns to the prior at every commit.
    """

    def __init__(self, prior: tuple[float, float], forgetting: float):
        self._prior = prior
        self._forgetting = forgetting
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
        return {"mean": mean, "sd": sd, "alpha": alpha, "beta": beta}

    def draw(self, task: str, draws: random.Random) -> float:
        """A success rate drawn from a task's posterior."""
        return draws.betavariate(self._alpha[task], self._beta[task])
