"""The learned posterior: a dynamic Rasch model, which learns what references, domains and time tell.

Task k of domain j, with features x of its reference rates, passes at step t with the probability p_k,

    logit p_k = x·(w + δ_j) + γ·[k was practised] + o_k

The weights w and δ (`line`) and the tasks' offsets o (`offsets`) wander; how fast, and how far tasks lie off the
line, is learned as well (`scale`). docs/mathematics.md has the whole. A commit costs O(batch + domains seen).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Len
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from selector_api.core.arrays import BoolArray, FloatArray, IntArray
from selector_api.core.classes import Classes, distinct
from selector_api.core.fields import Id, schema
from selector_api.core.posteriors.line import Line, Points
from selector_api.core.posteriors.logistic_normal import LogisticNormalMarginals
from selector_api.core.posteriors.offsets import Offsets, Own
from selector_api.core.posteriors.posterior import Gauge, PosteriorKind, Weight
from selector_api.core.posteriors.quadrature import log_predictive, tilted
from selector_api.core.posteriors.scale import Scale
from selector_api.core.tasks import TaskTable

MOST_REFERENCES = 16
MOST_CLASSES = 16_384
"""Rates are rounded so that a run begins with no more classes, if that can be."""
_ROLLOUTS = 16.0
"""A rate r counts as the logit of (16 r + ½) / 17: so a rate of 0 or 1 has one, too."""
_TAU: FloatArray = 2.0 ** np.arange(-4.0, 5.0, 0.5)
_DRIFT: FloatArray = 2.0 ** np.arange(-17.0, -2.0)
_LEVEL: FloatArray = 2.0 ** np.arange(-20.0, -2.0)
_LEAST_GAIN = 1e-9
"""By so much at least an outcome narrows what is known of its task."""


@dataclass(frozen=True)
class Rasch(PosteriorKind):
    """A learned posterior: it needs no references, reads any number of them, and has nothing to tune."""

    default_policy: ClassVar[str] = "signal"

    __pydantic_config__ = schema(type="rasch", references=["qwen-7b", "qwen-30b"])

    references_: Annotated[tuple[Id, ...], Len(0, MOST_REFERENCES)] | None = None
    """The references that it reads, at most 16; absent: all that the pool has when the run is made"""
    rounding: Literal[16, 8, 4, 2] | None = None
    """Rates are told apart to so many parts of 1; absent: as finely as leaves at most 16,384 classes of tasks
    when the run is made"""
    type: Literal["rasch"] = "rasch"

    def __post_init__(self) -> None:
        if len(set(self.references)) < len(self.references):
            raise ValueError("references names one twice")

    @property
    def references(self) -> tuple[str, ...]:
        """See `PosteriorKind.references`."""
        return self.references_ or ()

    @property
    def capability_scale(self) -> str:
        """See `PosteriorKind.capability_scale`."""
        return "It is the pass rate of a task of middling difficulty."

    def settled(self, table: TaskTable) -> Rasch:
        """See `PosteriorKind.settled`."""
        names = table.reference_names if self.references_ is None else self.references_
        if len(names) > MOST_REFERENCES:
            raise ValueError(
                f"posterior.references: the pool's tasks were measured with {len(names)} references, and at most "
                f"{MOST_REFERENCES} can be read; name those that shall be"
            )
        settled = replace(self, references_=names, rounding=self.rounding or 16)
        for coarser in () if self.rounding or not names else (8, 4, 2):
            if distinct(table.domain_codes, settled.rates(table, slice(0, len(table)))) <= MOST_CLASSES:
                break
            settled = replace(settled, rounding=coarser)
        return settled

    def rates(self, table: TaskTable, tasks: slice) -> FloatArray:
        """See `PosteriorKind.rates`; rounded."""
        parts = self.rounding or 16
        return np.rint(super().rates(table, tasks) * parts) / parts

    def initial(self) -> RaschPosterior:
        """The posterior of no tasks yet."""
        return RaschPosterior(self)

    def restored(self, classes: Classes, arrays: Mapping[str, np.ndarray]) -> RaschPosterior:
        """The posterior whose `to_arrays` gave `arrays`, bit for bit."""
        return RaschPosterior.restored(self, classes, arrays)


class RaschPosterior:
    """The logistic-normal posteriors of all tasks of a run (see the module's docstring)."""

    def __init__(self, config: Rasch) -> None:
        self._config = config
        self._step = 0
        self._classes = Classes.of(len(config.references))
        self._x = np.empty((0, 1 + 2 * len(config.references)))  # [classes, d]
        self._is_bare = np.empty(0, np.bool_)  # [classes], whether no reference was measured
        self._line = Line(len(config.references))
        self._offsets = Offsets()
        self._scales = {
            "measured": Scale(_TAU, median=2.0, sd=1.2),  # τ² of tasks with some reference measured
            "bare": Scale(_TAU, median=2.0, sd=1.2),  # τ² of the others
            "drift": Scale(_DRIFT, median=0.002, sd=1.5),  # q
            "level": Scale(_LEVEL, median=0.0003, sd=2.0),  # ℓ
        }
        # All classes on the line, worked out once between two commits.
        self._all: Points | None = None

    @classmethod
    def restored(cls, config: Rasch, classes: Classes, arrays: Mapping[str, np.ndarray]) -> RaschPosterior:
        """The posterior that `to_arrays` was called on, bit for bit.

        Raises:
            ValueError: something in it is not finite.
        """
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds a value that is not finite")
        posterior = cls(config)
        posterior.grow(classes)
        posterior._step = int(arrays["step"])
        posterior._line.restore(arrays)
        posterior._offsets.restore(arrays)
        for name, scale in posterior._scales.items():
            scale.restore(arrays[f"evidence_{name}"])
        return posterior

    def copy(self) -> RaschPosterior:
        """A copy that later commits leave as it is."""
        twin = copy.copy(self)
        twin._line, twin._offsets = copy.deepcopy(self._line), copy.deepcopy(self._offsets)
        twin._scales = copy.deepcopy(self._scales)
        return twin

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restored` needs beside configuration and classes."""
        evidence = {f"evidence_{name}": scale.log_evidence for name, scale in self._scales.items()}
        return {
            "step": np.array(self._step),
            **self._line.to_arrays(),
            **self._offsets.to_arrays(),
            **evidence,
        }

    def individuals(self) -> IntArray:
        """The tasks that were ever reported or evaluated, ascending."""
        return self._offsets.tasks

    def of_classes(self) -> LogisticNormalMarginals:
        """The line of each class, and how far tasks lie off it."""
        points = self._all_points()
        return LogisticNormalMarginals(points.mean, np.sqrt(points.variance + self._tau2(self._is_bare)))

    def of_tasks(self, tasks: IntArray) -> LogisticNormalMarginals:
        """The line of each task's class, and its own offset from it."""
        number = self._classes.of_task[tasks].astype(np.int64)
        if self._all is None and len(tasks) < len(self._classes):
            points, place = self._points(number), slice(None)
        else:
            points, place = self._all_points(), number
        own, variance = self._own(tasks, number)
        practice, of_practice = self._line.mean[-1], self._line.covariance[-1, -1]
        mean = points.mean[place] + own.mean + np.where(own.practised, practice, 0.0)
        of_line = points.variance[place] + np.where(
            own.practised, 2.0 * points.practice[place] + of_practice, 0.0
        )
        return LogisticNormalMarginals(mean, np.sqrt(of_line + variance))

    def grow(self, classes: Classes) -> None:
        """Take in tasks that joined."""
        rates = classes.rates[len(self._x) :]
        missing = np.isnan(rates)
        rates = (_ROLLOUTS * np.where(missing, 0.5, rates) + 0.5) / (_ROLLOUTS + 1.0)
        pairs = np.stack([np.log(rates) - np.log(1.0 - rates), missing], axis=2)
        x = np.column_stack([np.ones(len(rates)), pairs.reshape(len(rates), 2 * rates.shape[1])])
        self._x = np.concatenate([self._x, x])
        self._is_bare = np.concatenate([self._is_bare, missing.all(axis=1)])
        self._line.grow(int(classes.domain.max(initial=-1)) + 1)
        self._offsets.grow(len(classes.of_task))
        self._classes = classes
        self._all = None

    def observe(self, tasks: IntArray, successes: FloatArray, trials: FloatArray, behind: FloatArray) -> None:
        """One commit; see `Posterior.observe`."""
        unaged = self._line.covariance
        self._step += 1
        self._line.age(self._scales["level"].value)
        self._take_in(tasks, successes, trials, behind, unaged, is_training=True)

    def inform(self, tasks: IntArray, successes: FloatArray, trials: FloatArray, behind: FloatArray) -> None:
        """As a commit in which no time passes and nobody practises; see `Posterior.inform`."""
        self._take_in(tasks, successes, trials, behind, self._line.covariance, is_training=False)

    def capability(self) -> Mapping[int, float]:
        """The level of each domain that was ever seen: how a task passes of which all references passed half."""
        levels = special.expit(self._line.mean[0] + self._line.delta[1:, 0])
        return dict(zip(self._line.domain[1:].tolist(), levels.tolist(), strict=True))

    def reference_weights(self) -> Mapping[str, Weight]:
        """What a reference's rate counts, as a logit: with one alone 1 would be to take it as it is."""
        mean, sd = self._line.mean[1:-1:2], np.sqrt(np.diagonal(self._line.covariance)[1:-1:2])
        pairs = zip(self._config.references, mean.tolist(), sd.tolist(), strict=True)
        return {name: Weight(mean, sd) for name, mean, sd in pairs}

    def metrics(self) -> tuple[Gauge, ...]:
        """What was learned of how tasks scatter and wander."""
        value = {name: scale.value for name, scale in self._scales.items()}
        return (
            Gauge("scatter", "How far tasks with references lie off the line: τ", value["measured"] ** 0.5),
            Gauge("scatter_bare", "How far tasks without references lie off: τ", value["bare"] ** 0.5),
            Gauge("task_drift", "Variance that a task's logit gains in a step: q", value["drift"]),
            Gauge("level_drift", "Variance that the level gains in a step: ℓ", value["level"]),
            Gauge("domain_spread", "Variance of the domains' levels", self._line.spread),
        )

    def _take_in(
        self,
        tasks: IntArray,
        successes: FloatArray,
        trials: FloatArray,
        behind: FloatArray,
        unaged: FloatArray,
        is_training: bool,
    ) -> None:
        order = np.argsort(tasks, kind="stable")  # in whatever order outcomes came, they leave the same bits
        tasks, successes, trials = tasks[order], successes[order], trials[order]
        late = self._scales["drift"].value * behind[order]
        step, level = self._step, self._scales["level"].value
        number = self._classes.of_task[tasks].astype(np.int64)
        self._line.admit(self._classes.domain[number].astype(np.int64), step)
        own, variance_off = self._own(tasks, number)
        points = self._points(number, own.practised)
        prior = points.mean + own.mean

        # Each outcome as what a normally distributed measurement of the task's logit would say.
        variance = points.variance + variance_off + late
        centre, narrowed = tilted(successes, trials, prior, variance)
        narrowed = np.minimum(narrowed, variance * (1.0 - _LEAST_GAIN))
        noise = 1.0 / (1.0 / narrowed - 1.0 / variance)
        surprise = (centre / narrowed - prior / variance) * noise - prior
        noise = noise + late

        weight = 1.0 / (variance_off + noise)
        total = weight.sum()
        average = (weight * surprise).sum() / total
        known, shared, of_domains = self._line.of_average(points, weight, step, unaged)
        scatter = 1.0 / total + known + _LEVEL * (is_training * shared + of_domains)
        moved = self._line.learn(points, weight, surprise, step, level)
        share = variance_off / (variance_off + noise)
        practice = np.where(own.practised, self._line.mean[-1], 0.0)
        off = own.mean + practice + share * (surprise - moved)
        self._offsets.put(tasks, off, variance_off * (1.0 - share), step, is_training)
        self._all = None

        self._scales["level"].learn(-(np.log(scatter) + average * average / scatter) / 2.0)
        new, bare, once = ~own.seen, self._is_bare[number], np.ones(len(tasks))
        for name, of, variance, gap, grid in (
            ("measured", new & ~bare, points.variance, once, _TAU),
            ("bare", new & bare, points.variance, once, _TAU),
            ("drift", own.seen, points.variance + own.variance, own.gap, _DRIFT),
        ):
            if of.any():
                variances = variance[of, None] + gap[of, None] * grid
                told = log_predictive(successes[of], trials[of], prior[of], variances).sum(axis=0)
                self._scales[name].learn(told, 1 if name == "drift" else int(of.sum()))

    def _own(self, tasks: IntArray, number: IntArray) -> tuple[Own, FloatArray]:
        """The offsets of these tasks of these classes, and their variances now."""
        own = self._offsets.of(tasks, self._step)
        now = own.variance + self._scales["drift"].value * own.gap
        return own, np.where(own.seen, now, self._tau2(self._is_bare[number]))

    def _tau2(self, is_bare: BoolArray) -> FloatArray:
        return np.where(is_bare, self._scales["bare"].value, self._scales["measured"].value)

    def _all_points(self) -> Points:
        if self._all is None:
            self._all = self._points(np.arange(len(self._classes)))
        return self._all

    def _points(self, number: IntArray, practised: BoolArray | None = None) -> Points:
        """Tasks of these classes on the line."""
        practised = np.zeros(len(number), np.bool_) if practised is None else practised
        domain = self._classes.domain[number].astype(np.int64)
        level = self._scales["level"].value
        return self._line.points(self._x[number], domain, practised, self._step, level)
