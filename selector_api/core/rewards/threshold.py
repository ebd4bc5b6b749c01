"""Rewards of any size, of which those from a threshold on are a success."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from selector_api.core.fields import schema
from selector_api.core.rewards.kind import RewardsKind


@dataclass(frozen=True)
class Threshold(RewardsKind):
    """Any reward: a rollout passes from `pass_at` on."""

    __pydantic_config__ = schema(type="threshold", pass_at=0.5)

    pass_at: Annotated[float, Ge(-1e9), Le(1e9)]
    """The least reward that is a success"""
    type: Literal["threshold"] = "threshold"

    def successes(self, rewards: Sequence[float]) -> list[float]:
        """1 from the threshold on, below it 0."""
        return [float(reward >= self.pass_at) for reward in rewards]
