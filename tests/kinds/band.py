"""A third kind of posterior, to show what one is: the pass rate of a class, give or take half a width. No Beta."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le
from scipy import special

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.classes import Classes
from selector_api.core.fields import Id, schema
from selector_api.core.posteriors.posterior import Gauge, PosteriorKind, Weight


@dataclass(frozen=True)
class Band(PosteriorKind):
    """All tasks of a class pass alike."""

    __pydantic_config__ = schema(type="band", reads=["qwen-7b"], width=0.2)

    reads: tuple[Id, ...] = ()
    """The references by which tasks are told apart"""
    width: Annotated[float, Gt(0.0), Le(1.0)] = 0.2
    """How unsure one is of a pass rate"""
    type: Literal["band"] = "band"

    default_policy: ClassVar[str] = "hardest"

    @property
    def references(self) -> tuple[str, ...]:
        return self.reads

    def initial(self) -> BandPosterior:
        nothing = np.zeros(0)
        return BandPosterior(self, Classes.of(len(self.reads)), nothing, nothing)

    def restored(self, classes: Classes, arrays: Mapping[str, np.ndarray]) -> BandPosterior:
        return BandPosterior(self, classes, arrays["passed"].copy(), arrays["tried"].copy())


@dataclass
class BandPosterior:
    config: Band
    classes: Classes
    passed: FloatArray
    tried: FloatArray

    def observe(self, tasks: IntArray, successes: FloatArray, trials: FloatArray, behind: FloatArray) -> None:
        of_class = self.classes.of_task[tasks]
        np.add.at(self.passed, of_class, successes)
        np.add.at(self.tried, of_class, trials)

    def inform(self, tasks: IntArray, successes: FloatArray, trials: FloatArray, behind: FloatArray) -> None:
        self.observe(tasks, successes, trials, behind)

    def individuals(self) -> IntArray:
        return np.empty(0, np.int64)

    def of_classes(self) -> Uniform:
        half = self.config.width / 2
        mean = (self.passed + 1.0) / (self.tried + 2.0)
        return Uniform(np.maximum(mean - half, 0.0), np.minimum(mean + half, 1.0))

    def of_tasks(self, tasks: IntArray) -> Uniform:
        return self.of_classes().take(self.classes.of_task[tasks].astype(np.int64))

    def grow(self, classes: Classes) -> None:
        joined = np.zeros(len(classes) - len(self.passed))
        self.classes = classes
        self.passed = np.concatenate([self.passed, joined])
        self.tried = np.concatenate([self.tried, joined])

    def capability(self) -> Mapping[int, float]:
        passed = np.bincount(self.classes.domain, self.passed)
        tried = np.bincount(self.classes.domain, self.tried)
        return {code: passed[code] / tried[code] for code in np.flatnonzero(tried).tolist()}

    def reference_weights(self) -> Mapping[str, Weight]:
        return {}

    def metrics(self) -> tuple[Gauge, ...]:
        of_domain = np.bincount(self.classes.domain, self.tried)
        return (
            Gauge("band_width", "Width of a band", self.config.width),
            Gauge("band_trials", "Trials seen, by domain", dict(enumerate(of_domain.tolist()))),
        )

    def copy(self) -> BandPosterior:
        return BandPosterior(self.config, self.classes, self.passed.copy(), self.tried.copy())

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"passed": self.passed, "tried": self.tried}


@dataclass(frozen=True)
class Uniform:
    low: FloatArray
    high: FloatArray

    def __len__(self) -> int:
        return len(self.low)

    def mean(self) -> FloatArray:
        return (self.low + self.high) / 2

    def sd(self) -> FloatArray:
        return (self.high - self.low) / np.sqrt(12.0)

    def draw(self, rng: np.random.Generator) -> FloatArray:
        return rng.uniform(self.low, self.high)

    def cdf(self, x: FloatArray | float) -> FloatArray:
        return np.clip((x - self.low) / (self.high - self.low), 0.0, 1.0)

    def ppf(self, q: FloatArray) -> FloatArray:
        return self.low + q * (self.high - self.low)

    def pdf(self, x: FloatArray | float) -> FloatArray:
        return np.where((self.low <= x) & (x <= self.high), 1.0 / (self.high - self.low), 0.0)

    def signal(self) -> FloatArray:
        mean = self.mean()
        return 4 * (mean * (1 - mean) - (self.high - self.low) ** 2 / 12)

    def informative(self, rollouts: int) -> FloatArray:
        power, width = rollouts + 1, self.high - self.low
        all_pass = (self.high**power - self.low**power) / (power * width)
        all_fail = ((1 - self.low) ** power - (1 - self.high) ** power) / (power * width)
        return 1 - all_pass - all_fail

    def log_probability(self, successes: FloatArray, trials: FloatArray) -> FloatArray:
        counts = (successes + 1.0, trials - successes + 1.0)
        between = special.betainc(*counts, self.high) - special.betainc(*counts, self.low)
        return np.log(between / ((trials + 1.0) * (self.high - self.low)))

    def take(self, rows: IntArray) -> Uniform:
        return Uniform(self.low[rows], self.high[rows])

    def parameters(self) -> Mapping[str, FloatArray]:
        return {"low": self.low, "high": self.high}
