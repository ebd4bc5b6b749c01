"""No implicit evidence."""

from __future__ import annotations

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.classes import Classes


class NoPrediction:
    """Predicts nothing."""

    def __init__(self) -> None:
        self.capability: dict[int, float] = {}

    def observe(self, classes: Classes, tasks: IntArray, rates: FloatArray) -> None:
        """Learn nothing."""

    def predict(self, classes: Classes) -> FloatArray:
        """NaN for every class."""
        return np.full(len(classes), np.nan)
