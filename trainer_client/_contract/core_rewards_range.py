"""Taken over from selector_api/core/rewards/range.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from trainer_client._contract.core_fields import schema
from trainer_client._contract.core_rewards_kind import RewardsKind

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
