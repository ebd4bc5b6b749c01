"""Taken over from selector_api/core/posteriors/bots.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Le

from trainer_client._contract.core_fields import ByType, Share, schema
from trainer_client._contract.core_posteriors_interpolation import Interpolation, NoImplicit
from trainer_client._contract.core_posteriors_posterior import PosteriorKind

PseudoCount = Annotated[float, Ge(1e-6), Le(1e9)]
"""Bounded away from 0: a smaller one can vanish in arithmetic, and a Beta posterior has no pseudo-count of 0."""


@dataclass(frozen=True)
class Bots(PosteriorKind):
    """A discounted Beta posterior of every task's success probability."""

    __pydantic_config__ = schema(
        type="bots",
        prior=[1.0, 1.0],
        forgetting=0.1,
        implicit_weight=0.1,
        rollouts=16,
        implicit={"type": "interpolation", "weak": "qwen-7b", "strong": "qwen-30b"},
    )

    prior: tuple[PseudoCount, PseudoCount] = (1.0, 1.0)
    """Pseudo-counts (α0, β0)"""
    forgetting: Share = 0.1
    """λ: share that returns to the prior at every commit"""
    implicit_weight: Share = 0.1
    """ρ: weight of the implicit evidence"""
    rollouts: Annotated[int, Ge(1), Le(1_000_000)] = 16
    """m: pseudo-rollouts that the implicit evidence stands for"""
    implicit: Annotated[Interpolation | NoImplicit, ByType()] = field(default_factory=NoImplicit)
    """Evidence of tasks that were not selected"""
    type: Literal["bots"] = "bots"

    @property
    def references(self) -> tuple[str, ...]:
        """The weak and the strong reference that the implicit evidence stands between, if there is any."""
        implicit = self.implicit
        return (implicit.weak, implicit.strong) if isinstance(implicit, Interpolation) else ()
