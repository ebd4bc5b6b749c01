"""Taken over from selector_api/core/policies/policy.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

import math
from abc import ABC
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from trainer_client._contract.core_fields import Id, Share


@dataclass(frozen=True)
class PolicyKind(ABC):
    """How a run draws its batches: the configuration and what it does. A file a kind."""

    domains: dict[Id, Share] | None = field(
        default=None,
        metadata={
            "description": "Fixed share of each batch by domain, summing to 1; without it the pool is one"
        },
    )

    in_epochs: ClassVar[bool] = False
    """Whether it asks the history which tasks were seen in the epoch that is under way."""

    def __post_init__(self) -> None:
        if self.domains is not None and not math.isclose(sum(self.domains.values()), 1.0, abs_tol=1e-6):
            raise ValueError("the domains' shares must sum to 1")


@dataclass(frozen=True)
class TargetPolicy(PolicyKind):
    """A policy that seeks tasks of a certain success probability."""

    target: Share = field(default=0.5, metadata={"description": "p*: the success probability that is sought"})
    temperature: Annotated[float, Ge(0.0), Le(1e6)] = field(
        default=0.0,
        metadata={"description": "τ: 0 takes the nearest tasks, above it a softmax of −|p̂ − p*|/τ"},
    )
    exploration: Share = field(
        default=0.0, metadata={"description": "Share of a batch that is drawn uniformly"}
    )
