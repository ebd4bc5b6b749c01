"""What every kind of rewards is: a configuration that counts rewards."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


class RewardOutside(ValueError):
    """A reward that the run's `rewards` do not allow.

    Attributes:
        place: its position among the rewards that were counted.
    """

    def __init__(self, place: int, message: str) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True)
class Seen:
    """What was seen of one task: `successes` (0 to `trials`, may be fractional) of `trials` (> 0)."""

    successes: float
    trials: int
    informative: bool
    """Whether its rewards were not all equal: without differences GRPO has no gradient."""

    @classmethod
    def of_counts(cls, successes: float, trials: int) -> Seen:
        """Successes out of trials, of which nothing else is known."""
        return cls(successes, trials, 0 < successes < trials)


@dataclass(frozen=True)
class RewardsKind(ABC):
    """How rewards are counted: the configuration and what it does. A file a kind."""

    @abstractmethod
    def successes(self, rewards: Sequence[float]) -> list[float]:
        """What each of these rewards, as they are told apart, counts for: 0 to 1."""

    def counted(self, rewards: Sequence[float], counts: Sequence[tuple[float, int]] = ()) -> Seen:
        """One task's rewards, and further rollouts of it that were sent as (successes, trials), as one outcome.

        Raises:
            RewardOutside: see `told_apart`.
        """
        if not rewards and len(counts) == 1:
            return Seen.of_counts(*counts[0])
        told_apart = self.told_apart(rewards)
        passed = [successes for successes, _ in counts]
        successes = math.fsum((*self.successes(told_apart), *passed))
        trials = len(rewards) + sum(trials for _, trials in counts)
        differ = len(set(told_apart)) > 1
        return Seen(successes, trials, differ or (bool(counts) and 0 < successes < trials))

    def told_apart(self, rewards: Sequence[float]) -> Sequence[float]:
        """The finite rewards as they are compared: equal ones make a group without a gradient.

        Raises:
            RewardOutside: one is not allowed.
        """
        return rewards
