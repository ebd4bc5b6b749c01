"""Whether a figure has moved over a run, by more than it wavers, and by which way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from selector_api.core.arrays import FloatArray
from selector_api.core.course import MAX_DOMAINS
from selector_api.core.fields import schema
from selector_api.core.state import RunState

_LITTLE = 0.02
"""A change of a rate that nobody calls one."""
_WAVERINGS = 3.0
_FAR = 0.15
"""How far a turn lies from where the figure was early and from where it is late, at least, and so many times"""
_TURNED = 8.0
"""what it wavers by."""


@dataclass(frozen=True)
class Turn:
    """Where a figure turned round."""

    __pydantic_config__ = schema(step=70, value=0.83)

    step: int
    value: float
    """Its mean over the twentieth of the run around that step"""


@dataclass(frozen=True)
class Move:
    """Where a figure was early in a run and where it is late."""

    __pydantic_config__ = schema(early=0.31, late=0.47, direction=1, turns=[])

    early: float
    """Its mean over the run's second fifth"""
    late: float
    """Its mean over the last fifth"""
    direction: Literal[-1, 0, 1]
    """-1: it fell, 1: it rose, 0: it has moved no further than it wavers"""
    turns: list[Turn]
    """Its highest and its lowest point since the first fifth, in order, where they lie far outside the two"""

    @classmethod
    def of(cls, steps: Sequence[int], values: Sequence[float]) -> Move:
        """That of a figure's values at these steps: the mean of their second fifth beside that of their last.

        The first fifth is left out, since a posterior that begins with its prior has to find first where the model
        stands: that move is not the model's.
        """
        course = np.array(values)
        fifth = max(len(course) // 5, 1)
        first = len(course) // 5
        early, late = course[first : first + fifth], course[-fifth:]
        before, now = float(early.mean()), float(late.mean())
        change, wavers = now - before, float(np.hypot(early.std(), late.std()))
        moved = abs(change) >= max(_LITTLE, _WAVERINGS * wavers)
        direction = 0 if not moved else 1 if change > 0 else -1
        return cls(before, now, direction, _turns(steps, course, before, now))


def _turns(steps: Sequence[int], course: FloatArray, early: float, late: float) -> list[Turn]:
    fifth = len(course) // 5
    if fifth < 3:
        return []
    # A collapse makes the fifth that it falls into waver, and a recovery the next: the second calmest tells.
    parts = course[fifth : 5 * fifth].reshape(4, fifth).T
    steady = np.vander(np.arange(fifth), 2)
    slopes = np.linalg.lstsq(steady, parts)[0]
    wavers = float(np.sort((parts - steady @ slopes).std(axis=0))[1])
    width = max(1, len(course) // 20)
    smooth = np.convolve(course, np.full(width, 1.0 / width), mode="valid")
    lag = (width - 1) // 2
    since = fifth - lag
    places = {since + int(smooth[since:].argmax()), since + int(smooth[since:].argmin())}
    turns = [Turn(steps[place + lag], float(smooth[place])) for place in sorted(places)]
    outside = [max(turn.value - max(early, late), min(early, late) - turn.value) for turn in turns]
    if max(outside) <= max(_FAR, _TURNED * wavers):
        return []
    return [turn for turn, far in zip(turns, outside, strict=True) if far > _FAR]


def capability_moves(state: RunState) -> dict[str, Move]:
    """How far the capability of each domain has moved, as far as that is known."""
    domains = state.domains(MAX_DOMAINS)
    known = sorted(state.course.capabilities().items())
    return {domains[code]: Move.of(*zip(*points, strict=True)) for code, points in known if len(points) > 1}
