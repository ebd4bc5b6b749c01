"""Whether a figure has moved over a run, by more than it wavers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from selector_api.core.course import MAX_DOMAINS
from selector_api.core.fields import schema
from selector_api.core.state import RunState

_LITTLE = 0.02
"""A change of a rate that nobody calls one."""
_WAVERINGS = 3.0


@dataclass(frozen=True)
class Move:
    """Where a figure was early in a run and where it is late."""

    __pydantic_config__ = schema(early=0.31, late=0.47, direction=1)

    early: float
    """Its mean over the run's second fifth"""
    late: float
    """Its mean over the last fifth"""
    direction: Literal[-1, 0, 1]
    """-1: it fell, 1: it rose, 0: it has moved no further than it wavers"""

    @classmethod
    def of(cls, values: Sequence[float]) -> Move:
        """That of a figure whose values stand in order: the mean of their second fifth beside that of their last.

        The first fifth is left out, since a posterior that begins with its prior has to find first where the model
        stands: that move is not the model's.
        """
        fifth = len(values) // 5
        early, late = values[fifth : fifth + max(fifth, 1)], values[-max(fifth, 1) :]
        before, now = float(np.mean(early)), float(np.mean(late))
        wavers = float(np.hypot(np.std(early), np.std(late)))
        if abs(now - before) < max(_LITTLE, _WAVERINGS * wavers):
            return cls(before, now, 0)
        return cls(before, now, 1 if now > before else -1)


def capability_moves(state: RunState) -> dict[str, Move]:
    """How far the capability of each domain has moved, as far as that is known."""
    domains = state.domains(MAX_DOMAINS)
    known = sorted(state.course.capabilities().items())
    return {domains[code]: Move.of(values) for code, values in known if len(values) > 1}
