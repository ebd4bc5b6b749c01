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


class Capability:
    """One smoothed capability μ a domain, and what it predicts."""

    def __init__(self, config: Interpolation) -> None:
        self._smoothing = config.smoothing
        self.by_domain: dict[int, float] = {}
        """μ by domain code; a domain without it has had no informative commit."""

    def restore(self, domains: IntArray, values: FloatArray) -> None:
        """Set the capability of these domains."""
        self.by_domain = dict(zip(domains.tolist(), values.tolist(), strict=True))

    def observe(self, classes: Classes, tasks: IntArray, rates: FloatArray) -> None:
        """Move the capability of every domain of which this commit, with the pass rates of `tasks`, tells."""
        weak_rates, strong_rates = classes.rates[:, 0], classes.rates[:, 1]
        of_class = classes.of_task[tasks]
        measured = ~np.isnan(weak_rates[of_class])
        of_class, rates = of_class[measured], rates[measured]
        domains = classes.domain[of_class]
        for domain in np.flatnonzero(np.bincount(domains)).tolist():
            here = domains == domain
            weak = _mean(weak_rates[of_class[here]])
            strong = _mean(strong_rates[of_class[here]])
            if abs(strong - weak) < _UNINFORMATIVE_BELOW:
                continue
            now = (_mean(rates[here]) - weak) / (strong - weak + _EPSILON)
            before = self.by_domain.get(domain)
            self.by_domain[domain] = (
                now if before is None else self._smoothing * before + (1.0 - self._smoothing) * now
            )

    def predict(self, classes: Classes) -> FloatArray:
        """clip(w + μ (v − w), 0, 1) of each class; NaN without references or before μ is set."""
        by_domain = np.full(int(classes.domain.max(initial=-1)) + 1, np.nan)
        for domain, capability in self.by_domain.items():
            by_domain[domain] = capability
        weak, strong = classes.rates[:, 0], classes.rates[:, 1]
        return np.clip(weak + by_domain[classes.domain] * (strong - weak), 0.0, 1.0)


def _mean(values: FloatArray) -> float:
    return float(values.sum()) / len(values)  # np.mean takes thrice the time for a batch
