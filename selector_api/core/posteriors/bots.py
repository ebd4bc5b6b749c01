"""The BOTS posterior: a discounted Beta for every task, kept sparsely.

The update (arXiv 2510.26374, section 4), for every task k at a commit:

    α_k ← (1−λ) α_k + λ α0 + E_k        β_k ← (1−λ) β_k + λ β0 + F_k

with explicit evidence E = s, F = n − s for the batch and implicit evidence E = ρ m p̃, F = ρ m (1 − p̃) for the
rest. Tasks of a class that were never reported share one background; any other task is background plus a
residual that only decays, so a commit costs O(batch + classes), whatever the pool's size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from selector_api.core.arrays import BoolArray, CodeArray, FloatArray, IntArray
from selector_api.core.classes import Classes
from selector_api.core.doubledouble import DoubleDouble
from selector_api.core.fields import ByType, Share, schema
from selector_api.core.growing import with_room
from selector_api.core.posteriors.beta import BetaMarginals
from selector_api.core.posteriors.forgetting import Forgetting
from selector_api.core.posteriors.interpolation import Capability, Interpolation, NoImplicit
from selector_api.core.posteriors.posterior import Gauge, PosteriorKind, Weight
from selector_api.core.tasks import TaskTable

_NEGLIGIBLE = 1e-12
"""A residual below this share of its background has no effect that one could see."""
_COMPACT_EVERY = 64
"""Commits between two removals of negligible residuals. By the step's number, so that every replay agrees."""

PseudoCount = Annotated[float, Ge(1e-6), Le(1e9)]
"""Bounded away from 0: a smaller one can vanish in arithmetic, and a Beta posterior has no pseudo-count of 0."""


@dataclass(frozen=True)
class Bots(PosteriorKind):
    """A discounted Beta posterior of every task's success probability."""

    __pydantic_config__ = schema(
        type="bots",
        prior=[1.0, 1.0],
        forgetting=0.1,
        implicit_weight=0.1,
        rollouts=16,
        implicit={"type": "interpolation", "weak": "qwen-7b", "strong": "qwen-30b"},
    )

    prior: tuple[PseudoCount, PseudoCount] = (1.0, 1.0)
    """Pseudo-counts (α0, β0)"""
    forgetting: Share = 0.1
    """λ: share that returns to the prior at every commit"""
    implicit_weight: Share = 0.1
    """ρ: weight of the implicit evidence"""
    rollouts: Annotated[int, Ge(1), Le(1_000_000)] = 16
    """m: pseudo-rollouts that the implicit evidence stands for"""
    implicit: Annotated[Interpolation | NoImplicit, ByType()] = field(default_factory=NoImplicit)
    """Evidence of tasks that were not selected"""
    type: Literal["bots"] = "bots"

    @property
    def references(self) -> tuple[str, ...]:
        """The weak and the strong reference that the implicit evidence stands between, if there is any."""
        implicit = self.implicit
        return (implicit.weak, implicit.strong) if isinstance(implicit, Interpolation) else ()

    @property
    def capability_scale(self) -> str:
        """See `PosteriorKind.capability_scale`."""
        told = "0 is the reference `{}`, 1 the reference `{}`."
        return told.format(*self.references) if self.references else ""

    @property
    def group_size(self) -> int:
        """m: see `PosteriorKind.group_size`."""
        return self.rollouts

    def rates(self, table: TaskTable, tasks: slice) -> FloatArray:
        """See `PosteriorKind.rates`. Here a task that lacks one of the two has neither.

        Without both it gets no implicit evidence, as a task without any: so the two are of one class. Draws hang on
        the classes, so replays need this to stay as it is.
        """
        rates = super().rates(table, tasks)
        return np.where(np.isnan(rates).any(axis=1, keepdims=True), np.nan, rates)

    def initial(self) -> BotsPosterior:
        """The posterior of no tasks yet."""
        return BotsPosterior(self)

    def restored(self, classes: Classes, arrays: Mapping[str, np.ndarray]) -> BotsPosterior:
        """The posterior whose `to_arrays` gave `arrays`, bit for bit."""
        return BotsPosterior.restored(self, classes, arrays)


class BotsPosterior:
    """The Beta posteriors of all tasks of a run (see the module's docstring)."""

    def __init__(self, config: Bots) -> None:
        self._config = config
        self._step = 0
        self._classes = Classes.of(len(config.references))
        # What implicit evidence follows from, None without.
        self._capability = Capability(config.implicit) if isinstance(config.implicit, Interpolation) else None
        # (α, β) × classes, and (α, β) × residuals: column r of these belongs to task _task[r], was written at step
        # _written[r] and has decayed since.
        self._background = _numbers(0)
        self._residual = _numbers(0)
        self._row_of_task = np.empty(0, np.int32)
        self._rows = 0
        self._task = np.empty(0, np.int64)
        self._written = np.empty(0, np.int64)
        self._ascending = np.empty(0, np.int64)  # the tasks of all rows
        self._forgetting = Forgetting(config.forgetting)

    @classmethod
    def restored(cls, config: Bots, classes: Classes, arrays: Mapping[str, np.ndarray]) -> BotsPosterior:
        """The posterior that `to_arrays` was called on, bit for bit."""
        posterior = cls(config)
        posterior.grow(classes)
        arrays = {name: np.array(array) for name, array in arrays.items()}
        posterior._step = int(arrays["step"])
        posterior._background = _joint(arrays, "alpha", "beta")
        posterior._task = arrays["task"]
        posterior._written = arrays["written"]
        posterior._residual = _joint(arrays, "alpha_residual", "beta_residual")
        posterior._rows = len(posterior._task)
        posterior._row_of_task[posterior._task] = np.arange(posterior._rows)
        posterior._ascending = np.sort(posterior._task)
        if posterior._capability is not None:
            posterior._capability.restore(arrays["capability_domain"], arrays["capability"])
        return posterior

    def copy(self) -> BotsPosterior:
        """A copy that later commits leave as it is."""
        return BotsPosterior.restored(self._config, self._classes, self.to_arrays())

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restored` needs beside configuration and classes."""
        rows = np.arange(self._rows)
        capability = sorted(self.capability().items())
        return {
            "step": np.array(self._step),
            "capability_domain": np.array([domain for domain, _ in capability], np.int64),
            "capability": np.array([value for _, value in capability], np.float64),
            **_apart(self._background, "alpha", "beta"),
            "task": self._task[rows],
            "written": self._written[rows],
            **_apart(self._residual.take(rows), "alpha_residual", "beta_residual"),
        }

    def individuals(self) -> IntArray:
        """The tasks with a residual that is not negligible, ascending."""
        noticeable = self._noticeable(slice(self._rows))
        if noticeable.all():
            return self._ascending
        return self._ascending[noticeable[self._row_of_task[self._ascending]]]

    def of_classes(self) -> BetaMarginals:
        """The background of each class."""
        return BetaMarginals(*self._background.hi)

    def of_tasks(self, tasks: IntArray) -> BetaMarginals:
        """Background plus decayed residual of each of these tasks."""
        of_class, rows = self._classes.of_task[tasks], self._row_of_task[tasks]
        (places,) = np.nonzero(rows >= 0)
        if len(places) == len(tasks):
            return BetaMarginals(*self._with_residual(of_class, rows))
        parameters = self._background.hi.take(of_class, axis=-1)
        if len(places):
            parameters[:, places] = self._with_residual(of_class[places], rows[places])
        return BetaMarginals(*parameters)

    def _with_residual(self, of_class: CodeArray, rows: CodeArray) -> FloatArray:
        """(α, β) of tasks of these classes with these rows."""
        residual = self._residual.take(rows).times(self._decay_since(self._written[rows]))
        return self._background.take(of_class).plus(residual).hi

    def grow(self, classes: Classes) -> None:
        """Take in tasks that joined: at their class's background, and a new class at the prior."""
        new_classes = len(classes) - len(self._classes)
        prior = np.repeat(np.array(self._config.prior)[:, np.newaxis], new_classes, axis=1)
        self._background = self._background.joined(DoubleDouble.of(prior))
        self._row_of_task = with_room(self._row_of_task, len(classes.of_task), -1)
        self._classes = classes

    def observe(self, tasks: IntArray, successes: FloatArray, trials: FloatArray, behind: FloatArray) -> None:
        """One update of all tasks, however old the outcomes; see `Posterior.observe`."""
        implicit = self._implicit_evidence(tasks, successes / trials)

        self._step += 1
        rows = self._rows_for(tasks)
        decay = self._decay_since(self._written[rows])
        self._written[rows] = self._step
        explicit = np.array([successes, trials - successes])
        surprise = DoubleDouble.of_sum(explicit, -implicit[:, self._classes.of_task[tasks]])
        self._residual.put(rows, self._residual.take(rows).times(decay).plus(surprise))

        returned = self._config.forgetting * np.array(self._config.prior)[:, np.newaxis]
        gained = DoubleDouble.of_sum(returned, implicit)
        self._background = self._background.times(self._forgetting.kept).plus(gained)
        if self._step % _COMPACT_EVERY == 0:
            self._compact()

    def inform(self, tasks: IntArray, successes: FloatArray, trials: FloatArray, behind: FloatArray) -> None:
        """α += s, β += n − s of these tasks: no forgetting, no implicit evidence; see `Posterior.inform`."""
        rows = self._rows_for(tasks)
        decay = self._decay_since(self._written[rows])
        self._written[rows] = self._step
        explicit = DoubleDouble.of(np.array([successes, trials - successes]))
        self._residual.put(rows, self._residual.take(rows).times(decay).plus(explicit))

    def capability(self) -> Mapping[int, float]:
        """μ by domain code, as far as it is known."""
        return {} if self._capability is None else self._capability.by_domain

    def reference_weights(self) -> Mapping[str, Weight]:
        """None is learned."""
        return {}

    def metrics(self) -> tuple[Gauge, ...]:
        """Nothing beside the capability."""
        return ()

    def _implicit_evidence(self, tasks: IntArray, rates: FloatArray) -> FloatArray:
        """(E, F) × classes after a commit with pass rates [batch] of `tasks` [batch]."""
        if self._capability is None:
            return np.zeros((2, len(self._classes)))
        self._capability.observe(self._classes, tasks, rates)
        predicted = self._capability.predict(self._classes)
        weight = self._config.implicit_weight * self._config.rollouts
        return np.where(np.isnan(predicted), 0.0, weight * np.array([predicted, 1.0 - predicted]))

    def _rows_for(self, tasks: IntArray) -> IntArray:
        """The residual row of each task; tasks without one get an empty one."""
        fresh = tasks[self._row_of_task[tasks] < 0]
        needed = self._rows + len(fresh)
        if needed > len(self._task):
            spare = max(needed, 2 * len(self._task)) - len(self._task)
            self._task = np.concatenate([self._task, np.zeros(spare, np.int64)])
            self._written = np.concatenate([self._written, np.zeros(spare, np.int64)])
            self._residual = self._residual.joined(_numbers(spare))
        rows = np.arange(self._rows, needed)
        # Of two parts that are nearly always ascending: "stable" makes use of that.
        self._ascending = np.sort(np.concatenate([self._ascending, fresh]), kind="stable")
        self._row_of_task[fresh] = rows
        self._task[rows] = fresh
        self._written[rows] = self._step
        self._residual.put(rows, _numbers(len(fresh)))
        self._rows = needed
        return self._row_of_task[tasks].astype(np.int64)

    def _decay_since(self, written: IntArray) -> DoubleDouble:
        return self._forgetting.since(written, self._step)

    def _noticeable(self, rows: slice) -> BoolArray:
        decay = self._decay_since(self._written[rows]).hi
        of_class = self._classes.of_task[self._task[rows]]
        residual = np.abs(self._residual.hi[:, rows]) * decay
        alpha, beta = residual > _NEGLIGIBLE * self._background.hi.take(of_class, axis=-1)
        return alpha | beta

    def _compact(self) -> None:
        """Forget negligible residuals."""
        (keep,) = np.nonzero(self._noticeable(slice(self._rows)))
        if len(keep) == self._rows:
            return
        self._row_of_task[self._task[: self._rows]] = -1
        self._task = self._task[keep]
        self._written = self._written[keep]
        self._residual = self._residual.take(keep)
        self._rows = len(keep)
        self._row_of_task[self._task] = np.arange(self._rows)
        self._ascending = np.sort(self._task)


def _numbers(count: int) -> DoubleDouble:
    return DoubleDouble.of(np.zeros((2, count)))


def _joint(arrays: Mapping[str, np.ndarray], alpha: str, beta: str) -> DoubleDouble:
    """(α, β) × entries, of arrays that a snapshot has apart."""
    return DoubleDouble(
        *(np.array([arrays[f"{name}_{part}"] for name in (alpha, beta)]) for part in ("hi", "lo"))
    )


def _apart(numbers: DoubleDouble, alpha: str, beta: str) -> dict[str, np.ndarray]:
    """What `_joint` makes of them again."""
    return {
        f"{name}_{part}": getattr(numbers, part)[row]
        for row, name in enumerate((alpha, beta))
        for part in ("hi", "lo")
    }
