"""How well what was expected of tasks when they were selected agrees with what was seen of them then."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from selector_api.core.arrays import FloatArray
from selector_api.core.course import BINS
from selector_api.core.fields import schema

GROUPS = 1_000
"""Groups over which it is told: the last ones."""


@dataclass(frozen=True)
class CalibrationBin:
    """The groups of which a success probability in one tenth of [0, 1] was expected."""

    __pydantic_config__ = schema(groups=120, predicted=0.44, seen=0.41)

    groups: int
    predicted: float
    """Mean of the success probabilities that were expected"""
    seen: float
    """Mean of their pass rates"""


@dataclass(frozen=True)
class Calibration:
    """Expected success probabilities against the pass rates seen, of the last 1,000 groups."""

    __pydantic_config__ = schema(
        groups=1000, predicted=0.5, seen=0.47, bins=[{"groups": 120, "predicted": 0.44, "seen": 0.41}]
    )

    groups: int
    """How many there are of which something was expected"""
    predicted: float | None
    """Mean of the success probabilities that were expected when the tasks were selected; null without any"""
    seen: float | None
    """Mean of the pass rates"""
    bins: list[CalibrationBin]
    """By tenths of the expected success probability, without empty ones"""

    @classmethod
    def of(cls, groups: Groups) -> Calibration:
        """That of these groups."""
        values = np.array(groups, np.float64).reshape(-1, 2)
        predicted, seen = values[:, 0], values[:, 1]
        return cls(
            groups=len(values),
            predicted=float(predicted.mean()) if len(values) else None,
            seen=float(seen.mean()) if len(values) else None,
            bins=bins_of(predicted, seen),
        )


def bins_of(predicted: FloatArray, seen: FloatArray) -> list[CalibrationBin]:
    """Groups by tenths of the expected success probability, without empty ones."""
    place = np.minimum((predicted * BINS).astype(np.int64), BINS - 1)
    return [
        CalibrationBin(int(here.sum()), float(predicted[here].mean()), float(seen[here].mean()))
        for here in (place == number for number in np.unique(place).tolist())
    ]


Groups = deque[tuple[float, float]]
"""Of the last groups, what was expected and what was seen."""


def no_groups() -> Groups:
    """None yet."""
    return deque(maxlen=GROUPS)


def take_in(groups: Groups, predicted: FloatArray, rates: FloatArray) -> None:
    """Add those of a commit of which something was expected."""
    known = ~np.isnan(predicted)
    groups.extend(zip(predicted[known].tolist(), rates[known].tolist(), strict=True))
