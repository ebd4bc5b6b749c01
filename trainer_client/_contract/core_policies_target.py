"""Taken over from selector_api/core/policies/target.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from trainer_client._contract.core_fields import Share
from trainer_client._contract.core_policies_policy import PolicyKind, Target


@dataclass(frozen=True)
class TargetPolicy(PolicyKind):
    """Tasks by the distance |p̂ − p*|, where p̂ is what a kind takes for a task's success probability."""

    target: Target = field(
        default=0.5,
        metadata={
            "description": "p*: the success probability that is sought, or how it moves with the commits"
        },
    )
    temperature: Annotated[float, Ge(0.0), Le(1e6)] = field(
        default=0.0,
        metadata={"description": "τ: 0 takes the nearest tasks, above it a softmax of −|p̂ − p*|/τ"},
    )
    exploration: Share = field(
        default=0.0, metadata={"description": "Share of a batch that is drawn uniformly"}
    )

    has_target: ClassVar[bool] = True
