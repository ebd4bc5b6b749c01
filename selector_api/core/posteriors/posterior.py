"""What the rest of the service may know of a posterior, whatever its kind.

A kind is a configuration (`PosteriorKind`), which makes a posterior (`Posterior`), which gives distributions
(`Marginals`). Most tasks share the distribution of their class; the others are individuals.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Protocol

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.classes import Classes
from selector_api.core.fields import schema
from selector_api.core.tasks import TaskTable


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

    def signal(self) -> FloatArray:
        """E[4 p (1 - p)] of every row."""
        ...

    def informative(self, rollouts: int) -> FloatArray:
        """Probability of every row that so many rollouts neither all pass nor all fail."""
        ...

    def log_probability(self, successes: FloatArray, trials: FloatArray) -> FloatArray:
        """Log of the probability that every row gives to these successes out of these trials.

        Binomial, averaged over what the success probability may be. Successes may be fractional: log-gammas stand
        for factorials.
        """
        ...

    def take(self, rows: IntArray) -> Marginals:
        """The distributions of these rows, which may repeat."""
        ...

    def parameters(self) -> Mapping[str, FloatArray]:
        """The family's own parameters by name, as explanations and exports show them."""
        ...


@dataclass(frozen=True)
class Gauge:
    """A figure of a posterior, shown in /metrics as `bots_run_<name>`."""

    name: str
    text: str
    """What it is."""
    values: float | Mapping[int, float]
    """Of the whole run, or by domain code where it is known."""


@dataclass(frozen=True)
class Weight:
    """How much something counts, and how sure that is."""

    __pydantic_config__ = schema(weight=0.81, sd=0.06)

    weight: float
    sd: float
    """Standard deviation of the weight"""


class Posterior(Protocol):
    """The success probabilities of all tasks of a run, as far as they are known at this step."""

    def observe(self, tasks: IntArray, successes: FloatArray, trials: FloatArray, behind: FloatArray) -> None:
        """Take in a commit, which tells something of its own tasks and perhaps of all others.

        Args:
            tasks: shape [batch], distinct task indices.
            successes: how many of its trials each task passed, 0 to `trials`.
            trials: > 0.
            behind: >= 0, how many policy versions ago each outcome was made.
        """
        ...

    def inform(self, tasks: IntArray, successes: FloatArray, trials: FloatArray, behind: FloatArray) -> None:
        """Take in what was seen of tasks outside the training: no time passes, and no practice.

        Args:
            tasks: as in `observe`.
            successes: as in `observe`.
            trials: as in `observe`.
            behind: as in `observe`.
        """
        ...

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

    def capability(self) -> Mapping[int, float]:
        """Where the model stands, by domain code; without the domains of which that is not known."""
        ...

    def reference_weights(self) -> Mapping[str, Weight]:
        """What each reference counts, by its name, as far as that is learned."""
        ...

    def metrics(self) -> tuple[Gauge, ...]:
        """What /metrics shows of it beside its capability, always the same gauges."""
        ...

    def copy(self) -> Posterior:
        """A copy that later commits leave as it is."""
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that `PosteriorKind.restored` needs beside the classes."""
        ...


@dataclass(frozen=True)
class PosteriorKind(ABC):
    """The configuration of a posterior."""

    default_policy: ClassVar[str] = "thompson"
    """Type of the policy that draws where a run names none."""

    @property
    @abstractmethod
    def references(self) -> tuple[str, ...]:
        """The references that it reads. Tasks of equal domain and rates make a class."""

    def settled(self, table: TaskTable) -> PosteriorKind:
        """It with everything decided that was left to the start of a run with the tasks of this table.

        Raises:
            ValueError: it cannot serve them.
        """
        return self

    def settled_as(self, there: PosteriorKind) -> PosteriorKind:
        """It with what it leaves open as it is in another one of its kind."""
        if type(there) is not type(self):
            return self
        left_open = [field.name for field in fields(self) if getattr(self, field.name) is None]
        return replace(self, **{name: getattr(there, name) for name in left_open})

    @property
    def capability_scale(self) -> str:
        """A sentence that tells what its capability is measured in; empty if it has none."""
        return ""

    @property
    def group_size(self) -> int:
        """Rollouts of a group, as far as something is expected of it."""
        return 16

    def rates(self, table: TaskTable, tasks: slice) -> FloatArray:
        """The rates by which these tasks are told apart, shape [tasks, references], NaN where there is none."""
        columns = [table.reference(name)[tasks] for name in self.references]
        return np.column_stack(columns) if columns else np.empty((tasks.stop - tasks.start, 0))

    @abstractmethod
    def initial(self) -> Posterior:
        """The posterior of no tasks yet."""

    @abstractmethod
    def restored(self, classes: Classes, arrays: Mapping[str, np.ndarray]) -> Posterior:
        """The posterior whose `to_arrays` gave `arrays`, bit for bit."""
