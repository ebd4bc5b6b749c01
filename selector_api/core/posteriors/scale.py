"""A variance that is not known: what the outcomes so far say for each of some values."""

from __future__ import annotations

import math

import numpy as np

from selector_api.core.arrays import FloatArray

_KEPT = 0.998
"""What is left of the evidence so far when more comes: a training changes its ways."""


class Scale:
    """A variance on a grid, log-normal before anything is known of it.

    Attributes:
        grid: its possible values, ascending.
        log_evidence: of each of them, 0 for the likeliest.
        value: the geometric mean of what is believed of it.
    """

    def __init__(self, grid: FloatArray, median: float, sd: float) -> None:
        """`sd` is that of the logarithm."""
        self.grid = grid
        self._logs = np.log(grid)
        self._believe(-(((self._logs - math.log(median)) / sd) ** 2) / 2.0)

    def learn(self, log_likelihood: FloatArray, outcomes: int = 1) -> None:
        """Take in what so many outcomes said of each value."""
        self._believe(self.log_evidence * _KEPT**outcomes + log_likelihood)

    def restore(self, log_evidence: FloatArray) -> None:
        """Believe what was believed when `log_evidence` was this."""
        self._believe(log_evidence)

    def _believe(self, log_evidence: FloatArray) -> None:
        self.log_evidence = log_evidence - log_evidence.max()
        weights = np.exp(self.log_evidence)
        self.value = math.exp(float((weights * self._logs).sum() / weights.sum()))
