"""Taken over from selector_api/core/posteriors/interpolation.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Lt

from trainer_client._contract.core_fields import Id, schema


@dataclass(frozen=True)
class Interpolation:
    """Implicit evidence interpolated between two reference models."""

    __pydantic_config__ = schema(type="interpolation", weak="qwen-7b", strong="qwen-30b", smoothing=0.9)

    weak: Id
    """Name of the weak reference: capability 0"""
    strong: Id
    """Name of the strong reference: capability 1"""
    smoothing: Annotated[float, Ge(0.0), Lt(1.0)] = 0.9
    """Share of the old capability that a commit keeps"""
    type: Literal["interpolation"] = "interpolation"

    def __post_init__(self) -> None:
        if self.weak == self.strong:
            raise ValueError("weak and strong must name two different references")


@dataclass(frozen=True)
class NoImplicit:
    """No implicit evidence: tasks that were not selected learn nothing."""

    __pydantic_config__ = schema(type="none")

    type: Literal["none"] = "none"
