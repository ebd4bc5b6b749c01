"""A control: what was counted of a task itself, beside its class. What a learned posterior has to do better than.

Task k of class c passes with probability ~ Beta(κ p̃_c + s_k, κ (1 − p̃_c) + f_k). p̃_c is the pass rate of tasks of
its class at their first report, each commit's worth `FRESH` of the one after it; s_k and f_k are the task's own
successes and failures, multiplied by φ at every commit. κ and φ are of all pairs on a grid the one whose
predictions have had the greatest likelihood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.classes import Classes
from selector_api.core.fields import schema
from selector_api.core.posteriors.beta import BetaMarginals
from selector_api.core.posteriors.posterior import Gauge, PosteriorKind, Weight

KAPPA = 2.0 ** np.arange(-1.0, 5.5, 0.5)
PHI = np.array([1.0, 0.999, 0.997, 0.99, 0.97, 0.9])
FRESH = 0.97


@dataclass(frozen=True)
class Counts(PosteriorKind):
    """What was counted of each task and of its class; it reads no references."""

    __pydantic_config__ = schema(type="counts")

    type: Literal["counts"] = "counts"

    @property
    def references(self) -> tuple[str, ...]:
        """None: a class is a domain."""
        return ()

    def initial(self) -> CountsPosterior:
        """The posterior of no tasks yet."""
        evidence = np.tile(-0.5 * np.log(KAPPA / 2.0)[:, None] ** 2, len(PHI))  # a prior of κ: about 2
        return CountsPosterior(Classes.of(0), np.zeros((0, 2)), np.zeros((0, len(PHI), 2)), evidence)

    def restored(self, classes: Classes, arrays: Mapping[str, np.ndarray]) -> CountsPosterior:
        """The posterior whose `to_arrays` gave `arrays`."""
        return CountsPosterior(classes, **{name: np.array(array) for name, array in arrays.items()})


@dataclass
class CountsPosterior:
    """Counts of (successes, failures): of each class [classes, 2], of each task under each φ [tasks, φ, 2]."""

    classes: Classes
    of_class: FloatArray
    own: FloatArray
    evidence: FloatArray

    def observe(self, tasks: IntArray, successes: FloatArray, trials: FloatArray, behind: FloatArray) -> None:
        """A commit: see `Posterior.observe`; how late it is makes no difference."""
        self._learn(tasks, successes, trials)
        self.of_class *= FRESH
        self.own *= PHI[:, None]
        self.inform(tasks, successes, trials, behind)

    def inform(self, tasks: IntArray, successes: FloatArray, trials: FloatArray, behind: FloatArray) -> None:
        """Evidence without a step: see `Posterior.inform`."""
        counted = np.column_stack([successes, trials - successes])
        first = ~self.own[tasks].any(axis=(1, 2))
        np.add.at(self.of_class, self.classes.of_task[tasks[first]], counted[first])
        self.own[tasks] += counted[:, None]

    def individuals(self) -> IntArray:
        """The tasks that were reported."""
        return np.flatnonzero(self.own.any(axis=(1, 2)))

    def of_classes(self) -> BetaMarginals:
        """κ p̃ and κ (1 − p̃)."""
        kappa, _ = self._likeliest()
        return BetaMarginals(*(kappa * self._rates()).T)

    def of_tasks(self, tasks: IntArray) -> BetaMarginals:
        """The same with each task's own counts."""
        kappa, phi = self._likeliest()
        prior = kappa * self._rates()[self.classes.of_task[tasks]]
        return BetaMarginals(*(prior + self.own[tasks, phi]).T)

    def grow(self, classes: Classes) -> None:
        """Tasks that joined have no counts."""
        self.of_class = np.concatenate([self.of_class, np.zeros((len(classes) - len(self.classes), 2))])
        joined = len(classes.of_task) - len(self.own)
        self.own = np.concatenate([self.own, np.zeros((joined, len(PHI), 2))])
        self.classes = classes

    def capability(self) -> Mapping[int, float]:
        """p̃ of each domain that was reported."""
        rates = self._rates()[:, 0]
        return {
            int(self.classes.domain[at]): float(rates[at]) for at in np.flatnonzero(self.of_class.any(axis=1))
        }

    def reference_weights(self) -> Mapping[str, Weight]:
        """None."""
        return {}

    def metrics(self) -> tuple[Gauge, ...]:
        """κ and φ."""
        kappa, phi = self._likeliest()
        return (
            Gauge("counts_kappa", "Weight of the class, in rollouts", kappa),
            Gauge("counts_phi", "What a commit leaves of a task's own counts", float(PHI[phi])),
        )

    def copy(self) -> CountsPosterior:
        """A copy that later commits leave as it is."""
        return CountsPosterior(self.classes, self.of_class.copy(), self.own.copy(), self.evidence.copy())

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All but the classes."""
        return {"of_class": self.of_class, "own": self.own, "evidence": self.evidence}

    def _rates(self) -> FloatArray:
        """(p̃, 1 − p̃) of each class, with one success and one failure of everything seen for a start."""
        overall = self.of_class.sum(axis=0) + 1.0
        counted = self.of_class + 2.0 * overall / overall.sum()
        return counted / counted.sum(axis=1, keepdims=True)

    def _likeliest(self) -> tuple[float, int]:
        kappa, phi = np.unravel_index(int(self.evidence.argmax()), self.evidence.shape)
        return float(KAPPA[kappa]), int(phi)

    def _learn(self, tasks: IntArray, successes: FloatArray, trials: FloatArray) -> None:
        """Add to the log-likelihood of each (κ, φ) that of these outcomes: Beta-binomial, but for a constant."""
        rates = self._rates()[self.classes.of_task[tasks]]
        before = KAPPA[:, None, None, None] * rates[:, None] + self.own[tasks]  # [κ, batch, φ, 2]
        after = before + np.column_stack([successes, trials - successes])[:, None]
        gained = special.betaln(*np.moveaxis(after, -1, 0)) - special.betaln(*np.moveaxis(before, -1, 0))
        self.evidence = self.evidence + gained.sum(axis=1)
