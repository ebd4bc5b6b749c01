"""Implicit evidence between two reference models (arXiv 2510.26374, section 4.3).

Where the model stands between the weak (0) and the strong (1) reference is its capability μ, one a domain. A
task's success probability is predicted at the same place between its own two reference rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Lt

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.classes import Classes
from selector_api.core.fields import Id, schema

_UNINFORMATIVE_BELOW = 0.02
"""A batch whose mean reference rates are nearer than this says nothing of μ: the quotient explodes there."""
_EPSILON = 1e-6


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


class NoPrediction:
    """Predicts nothing."""

    def __init__(self) -> None:
        self.capability: dict[int, float] = {}

    def observe(self, classes: Classes, tasks: IntArray, rates: FloatArray) -> None:
        """Learn nothing."""

    def predict(self, classes: Classes) -> FloatArray:
        """NaN for every class."""
        return np.full(len(classes), np.nan)


def predictor(config: Interpolation | NoImplicit) -> Predictor:
    """The predictor of this configuration, before any commit."""
    return CapabilityInterpolation(config) if isinstance(config, Interpolation) else NoPrediction()


class CapabilityInterpolation:
    """One smoothed capability a domain."""

    def __init__(self, config: Interpolation) -> None:
        self._smoothing = config.smoothing
        self.capability: dict[int, float] = {}

    def observe(self, classes: Classes, tasks: IntArray, rates: FloatArray) -> None:
        """Move the capability of every domain for which this batch is informative."""
        of_class = classes.of_task[tasks]
        measured = ~np.isnan(classes.weak[of_class])
        of_class, rates = of_class[measured], rates[measured]
        domains = classes.domain[of_class]
        for domain in np.unique(domains).tolist():
            here = domains == domain
            weak = float(np.mean(classes.weak[of_class[here]]))
            strong = float(np.mean(classes.strong[of_class[here]]))
            if abs(strong - weak) < _UNINFORMATIVE_BELOW:
                continue
            now = (float(np.mean(rates[here])) - weak) / (strong - weak + _EPSILON)
            before = self.capability.get(domain)
            self.capability[domain] = (
                now if before is None else self._smoothing * before + (1.0 - self._smoothing) * now
            )

    def predict(self, classes: Classes) -> FloatArray:
        """clip(w + μ (v − w), 0, 1) of each class; NaN without references or before μ is set."""
        by_domain = np.full(int(classes.domain.max(initial=-1)) + 1, np.nan)
        for domain, capability in self.capability.items():
            by_domain[domain] = capability
        return np.clip(classes.weak + by_domain[classes.domain] * (classes.strong - classes.weak), 0.0, 1.0)


Predictor = NoPrediction | CapabilityInterpolation
