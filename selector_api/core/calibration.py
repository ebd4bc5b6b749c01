"""How well what was expected of tasks when they were selected agrees with what was seen of them then."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.course import place_of
from selector_api.core.fields import schema

GROUPS = 1_000
"""Groups over which it is told: the last ones."""


@dataclass(frozen=True)
class CalibrationBin:
    """Some groups: those of which a success probability in one tenth of [0, 1] was expected, or of a domain."""

    __pydantic_config__ = schema(groups=120, predicted=0.44, seen=0.41)

    groups: int
    predicted: float
    """Mean of the success probabilities that were expected"""
    seen: float
    """Mean of their pass rates"""

    @classmethod
    def of(cls, predicted: FloatArray, seen: FloatArray) -> CalibrationBin:
        """That of these groups, of which there is at least one."""
        return cls(len(predicted), float(predicted.mean()), float(seen.mean()))


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
        predicted, seen, _ = _columns(groups)
        return cls(
            groups=len(predicted),
            predicted=float(predicted.mean()) if len(predicted) else None,
            seen=float(seen.mean()) if len(seen) else None,
            bins=bins_of(predicted, seen),
        )


def by_domain(groups: Groups, domains: Sequence[str]) -> dict[str, CalibrationBin]:
    """The groups of each domain that has some; `domains` are the names by code, as far as they are told."""
    predicted, seen, codes = _columns(groups)
    return {
        name: CalibrationBin.of(predicted[codes == code], seen[codes == code])
        for code, name in enumerate(domains)
        if code in codes
    }


def _columns(groups: Groups) -> tuple[FloatArray, FloatArray, FloatArray]:
    predicted, seen, codes = np.array(groups, np.float64).reshape(-1, 3).T
    return predicted, seen, codes


def bins_of(predicted: FloatArray, seen: FloatArray) -> list[CalibrationBin]:
    """Groups by tenths of the expected success probability, without empty ones."""
    place = place_of(predicted)
    return [
        CalibrationBin.of(predicted[here], seen[here])
        for here in (place == number for number in np.unique(place).tolist())
    ]


def error_of(bins: Sequence[CalibrationBin]) -> float | None:
    """How far what was expected and what was seen are apart by bin, averaged over the groups; None without any."""
    groups = sum(each.groups for each in bins)
    return sum(each.groups * abs(each.predicted - each.seen) for each in bins) / groups if groups else None


Groups = deque[tuple[float, float, int]]
"""Of the last groups, what was expected, what was seen, and the domain's code."""


def no_groups() -> Groups:
    """None yet."""
    return deque(maxlen=GROUPS)


def take_in(groups: Groups, predicted: FloatArray, rates: FloatArray, domains: IntArray) -> None:
    """Add those of a commit of which something was expected."""
    known = ~np.isnan(predicted)
    groups.extend(zip(predicted[known].tolist(), rates[known].tolist(), domains[known].tolist(), strict=True))
