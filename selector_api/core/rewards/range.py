"""Rewards between two bounds, which count in proportion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from selector_api.core.fields import schema
from selector_api.core.rewards.kind import RewardOutside, RewardsKind

_ROUNDING = 1e-6
"""Share of the range by which a reward may lie over a bound: float32 carries it there."""
_LARGEST = 1e9

Bound = Annotated[float, Ge(-_LARGEST), Le(_LARGEST)]


@dataclass(frozen=True)
class Range(RewardsKind):
    """Rewards from `min` to `max`: they count in proportion, and what lies outside is an error."""

    __pydantic_config__ = schema(type="range", min=-1.0, max=1.0)

    min: Bound = 0.0
    """The reward that counts as a failure"""
    max: Bound = 1.0
    """The reward that counts as a success"""
    type: Literal["range"] = "range"

    def __post_init__(self) -> None:
        if not self.min < self.max:
            raise ValueError("min must be below max")

    def successes(self, rewards: Sequence[float]) -> list[float]:
        """(reward − min) / (max − min)."""
        width = self.max - self.min
        return [(reward - self.min) / width for reward in rewards]

    def told_apart(self, rewards: Sequence[float]) -> Sequence[float]:
        """The rewards, where what rounding carried over a bound is the bound.

        Raises:
            RewardOutside: one lies farther outside.
        """
        spare = _ROUNDING * (self.max - self.min)
        low, high = self.min - spare, self.max + spare
        for place, reward in enumerate(rewards):
            if not low <= reward <= high:
                raise RewardOutside(place, self._outside(reward))
        return [min(max(reward, self.min), self.max) for reward in rewards]

    def _outside(self, reward: float) -> str:
        low, high = min(reward, self.min), max(reward, self.max)
        reached = low >= -_LARGEST and high <= _LARGEST
        wider = (
            f'"range", "min": {_exact(low)}, "max": {_exact(high)}'
            if reached
            else '"threshold", "pass_at": …'
        )
        return (
            f"the reward {_exact(reward)} lies outside the run's range from {_exact(self.min)} to "
            f'{_exact(self.max)}; nothing was counted. If such rewards are right, make the run with "rewards": '
            f'{{"type": {wider}}}: fork this run under that configuration, or create a new one'
        )


def _exact(value: float) -> str:
    """The shortest text of just this number: one that is rounded may not hold the reward it is advised for."""
    return repr(float(value)).removesuffix(".0")
