"""Taken over from selector_api/core/policies/signal.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Le

from trainer_client._contract.core_fields import Share, schema
from trainer_client._contract.core_policies_policy import PolicyKind
from trainer_client._contract.core_posteriors_bots import Bots
from trainer_client._contract.core_posteriors_posterior import PosteriorKind

MOST_FORGETTING = 0.01
"""Of a `bots` posterior, for this policy."""


@dataclass(frozen=True)
class Signal(PolicyKind):
    """Tasks in proportion to their expected signal E[4p(1 − p)], to a power."""

    __pydantic_config__ = schema(type="signal", power=1.0, exploration=0.0)

    power: Annotated[float, Gt(0.0), Le(100.0)] = 1.0
    """How strongly the signal counts: weights are E[4p(1 − p)] to this power"""
    exploration: Share = 0.0
    """Share of a batch that is drawn uniformly"""
    type: Literal["signal"] = "signal"

    def unsuited(self, posterior: PosteriorKind) -> str | None:
        """A posterior that forgets much at every step has too little to tell tasks apart by."""
        if not isinstance(posterior, Bots) or posterior.forgetting <= MOST_FORGETTING:
            return None
        return (
            f"posterior.forgetting: the policy signal wants {MOST_FORGETTING} or less, and this run has "
            f"{posterior.forgetting}: most tasks are forgotten before they are drawn again; fork the run with a "
            "posterior that forgets less"
        )
