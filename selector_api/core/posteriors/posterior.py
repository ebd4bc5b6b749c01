"""What selection may know of a posterior: distributions per class and per task, whatever their family.

Most tasks share the distribution of their class; the others are individuals.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.classes import Classes


class Marginals(Protocol):
    """A column of independent distributions on [0, 1], one a row."""

    def __len__(self) -> int: ...

    def mean(self) -> FloatArray:
        """Mean of every row."""
        ...

    def sd(self) -> FloatArray:
        """Standard deviation of every row."""
        ...

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """One draw from every row."""
        ...

    def cdf(self, x: FloatArray | float) -> FloatArray:
        """P(row <= x)."""
        ...

    def ppf(self, q: FloatArray) -> FloatArray:
        """The inverse of `cdf`, row by row."""
        ...

    def pdf(self, x: FloatArray | float) -> FloatArray:
        """Density at x; may be infinite at 0 and 1."""
        ...

    def take(self, rows: IntArray) -> Marginals:
        """The distributions of these rows, which may repeat."""
        ...

    def parameters(self) -> dict[str, FloatArray]:
        """The family's own parameters by name, for answers."""
        ...


class Posterior(Protocol):
    """The success probabilities of all tasks of a run, as far as they are known at this step."""

    def individuals(self) -> IntArray:
        """The tasks whose distribution is not just that of their class, ascending."""
        ...

    def of_classes(self) -> Marginals:
        """The distribution that the other tasks of each class share; row = class."""
        ...

    def of_tasks(self, tasks: IntArray) -> Marginals:
        """The distribution of each of these tasks."""
        ...

    def grow(self, classes: Classes) -> None:
        """Take in tasks that joined; `classes` continues the classes known so far."""
        ...

    def commit(
        self, tasks: IntArray, successes: FloatArray, trials: FloatArray, predicted: FloatArray
    ) -> None:
        """One update: explicit evidence of `tasks` [batch], implicit evidence of all others.

        Args:
            tasks: distinct task indices.
            successes: how many of its trials each task passed, 0 to `trials`.
            trials: > 0.
            predicted: shape [classes], predicted success probability, NaN where there is no prediction.
        """
        ...

    def copy(self) -> Posterior:
        """A copy that later commits leave as it is."""
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that its configuration's `restored` needs beside configuration and classes."""
        ...
