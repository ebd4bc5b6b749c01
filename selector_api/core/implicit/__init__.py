"""Implicit evidence: predicted success probabilities of tasks that were not selected. A file a kind."""

from __future__ import annotations

from typing import Protocol

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.classes import Classes
from selector_api.core.config import Implicit, Interpolation
from selector_api.core.implicit.interpolation import CapabilityInterpolation
from selector_api.core.implicit.none import NoPrediction


class Predictor(Protocol):
    """Learns from each commit, then predicts."""

    capability: dict[int, float]
    """Capability μ by domain code; a domain without one is unset."""

    def observe(self, classes: Classes, tasks: IntArray, rates: FloatArray) -> None:
        """Learn from a commit: pass rates [batch] of `tasks` [batch]."""
        ...

    def predict(self, classes: Classes) -> FloatArray:
        """Predicted success probability of each class, NaN where there is none."""
        ...


def predictor(config: Implicit) -> Predictor:
    """The predictor of this configuration, before any commit."""
    return CapabilityInterpolation(config) if isinstance(config, Interpolation) else NoPrediction()
