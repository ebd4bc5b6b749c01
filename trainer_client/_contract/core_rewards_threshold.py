"""Taken over from selector_api/core/rewards/threshold.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from trainer_client._contract.core_fields import schema
from trainer_client._contract.core_rewards_kind import RewardsKind


@dataclass(frozen=True)
class Threshold(RewardsKind):
    """Any reward: a rollout passes from `pass_at` on."""

    __pydantic_config__ = schema(type="threshold", pass_at=0.5)

    pass_at: Annotated[float, Ge(-1e9), Le(1e9)]
    """The least reward that is a success"""
    type: Literal["threshold"] = "threshold"
