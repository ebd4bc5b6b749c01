"""Taken over from selector_api/core/policies/policy.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

import math
from abc import ABC
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from trainer_client._contract.core_fields import Id, NumberOr, Share, schema
from trainer_client._contract.core_posteriors_posterior import PosteriorKind


@dataclass(frozen=True)
class MovingTarget:
    """A target that moves evenly from one success probability to another, and stays there."""

    __pydantic_config__ = schema(**{"from": 0.7, "to": 0.4, "steps": 300})

    from_: Share
    """Where it begins, when the policy is set: at the run's start, or by a PATCH"""
    to: Share
    """Where it ends"""
    steps: Annotated[int, Ge(1), Le(1_000_000_000)]
    """Commits from the one to the other"""


Target = Annotated[Share | MovingTarget, NumberOr()]
"""p*, the success probability that is sought: one for good, or one that moves."""


@dataclass(frozen=True)
class DomainPart:
    """What a domain has of each batch, and the target that is its own."""

    __pydantic_config__ = schema(share=0.5, target=0.8)

    share: Share
    """Its share of each batch"""
    target: Target | None = None
    """The success probability that is sought in it; absent: the policy's"""


@dataclass(frozen=True)
class PolicyKind(ABC):
    """How a run draws its batches: the configuration and what it does. A file a kind."""

    # A field of all kinds has its description as metadata: pydantic reads the strings behind a class's own alone.
    domains: dict[Id, Annotated[Share | DomainPart, NumberOr()]] | None = field(
        default=None,
        metadata={
            "description": "Fixed share of each batch by domain, summing to 1, and if need be its own target; "
            "without it the pool is one"
        },
    )

    in_epochs: ClassVar[bool] = False
    """Whether it asks the history which tasks were seen in the epoch that is under way."""

    has_target: ClassVar[bool] = False
    """Whether it seeks a success probability."""

    needs_references: ClassVar[bool] = False
    """Whether it goes by the pass rates of references, so that it can do nothing in a pool without any."""

    def __post_init__(self) -> None:
        if self.domains is None:
            return
        if not math.isclose(sum(self.shares.values()), 1.0, abs_tol=1e-6):
            raise ValueError("the domains' shares must sum to 1")
        if not self.has_target and any(_target_of(part) is not None for part in self.domains.values()):
            raise ValueError("domains: this type of policy seeks no target")

    @property
    def shares(self) -> dict[str, float]:
        """The share of each domain, of those that are named."""
        parts = (self.domains or {}).items()
        return {name: part.share if isinstance(part, DomainPart) else part for name, part in parts}

    def unsuited(self, posterior: PosteriorKind) -> str | None:
        """What should be seen to where it draws by this posterior, None if nothing."""
        return None


def _target_of(part: float | DomainPart) -> float | MovingTarget | None:
    return part.target if isinstance(part, DomainPart) else None
