"""Taken over from selector_api/core/policies/signal.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Le

from trainer_client._contract.core_fields import Share, schema
from trainer_client._contract.core_policies_policy import PolicyKind


@dataclass(frozen=True)
class Signal(PolicyKind):
    """Tasks in proportion to their expected signal E[4p(1 − p)], to a power."""

    __pydantic_config__ = schema(type="signal", power=1.0, exploration=0.0)

    power: Annotated[float, Gt(0.0), Le(100.0)] = 1.0
    """How strongly the signal counts: weights are E[4p(1 − p)] to this power"""
    exploration: Share = 0.0
    """Share of a batch that is drawn uniformly"""
    type: Literal["signal"] = "signal"
