"""The line that predicts a task's logit from its references: shared weights, and what each domain has of its own.

A task with features x (level, then two a reference) has on average the logit x·(w + δ) + γ·practised, δ being its
domain's. Given w the domains are independent, so that their joint normal distribution has the form of an arrow:

    δ = delta − lean (w − its mean) + noise

which a commit keeps up at the cost of the domains that were ever seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from selector_api.core.arrays import BoolArray, FloatArray, IntArray
from selector_api.core.posteriors.symmetric import inverse, quadratic, times, times_each

_SLOPE_DRIFT = 0.1
"""Variance that a slope gains in the time in which a level gains 1."""
_SPREAD_OF_SLOPES = 0.09
"""Variance of the domains' slopes around the shared ones."""
_NUMBERS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Points:
    """Tasks on the line, one a row."""

    x: FloatArray
    """Features, shape [tasks, d]."""
    features: FloatArray
    """These and whether the task was practised, [tasks, d + 1]."""
    row: IntArray
    """The row of its domain."""
    moves: FloatArray
    """How the task's logit moves with the shared weights, [tasks, d + 1]."""
    mean: FloatArray
    variance: FloatArray
    practice: FloatArray
    """Covariance of the logit with γ."""


class Line:
    """What is known of the weights.

    Attributes:
        mean: of the shared weights w, of which the last is γ; shape [d + 1].
        covariance: theirs, [d + 1, d + 1].
        domain: the code of each domain that was ever seen; row 0, −1, stands for all others.
        delta: [rows, d].
        spread: variance of the domains' levels.
    """

    def __init__(self, references: int) -> None:
        """Nothing seen yet."""
        d = 1 + 2 * references
        slopes = [(0.8 / references, 0.25), (0.0, 1.0)] * references if references else []
        prior = np.array([(0.0, 4.0), *slopes, (0.0, 0.001)])
        self.mean, self.covariance = prior[:, 0].copy(), np.diag(prior[:, 1])
        self.domain = np.full(1, -1)
        self.delta = np.zeros((1, d))
        self._lean = np.zeros((1, d, d + 1))
        self._noise = np.zeros((1, d, d))
        self._touched = np.zeros(1, np.int64)
        self._row_of_domain = np.zeros(0, np.int64)
        self._drift = np.array([1.0] + [_SLOPE_DRIFT] * (d - 1))
        self._set_spread(1.0)

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Know what was known when `to_arrays` was called."""
        self.mean, self.covariance = np.array(arrays["mean"]), np.array(arrays["covariance"])
        self.domain, self._touched = np.array(arrays["domain"]), np.array(arrays["domain_seen_at"])
        self.delta, self._lean = np.array(arrays["delta"]), np.array(arrays["lean"])
        self._noise, self.spread = np.array(arrays["noise"]), float(arrays["spread"])
        self._row_of_domain[self.domain[1:]] = np.arange(1, len(self.domain))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restore` needs."""
        return {
            "mean": self.mean,
            "covariance": self.covariance,
            "domain": self.domain,
            "domain_seen_at": self._touched,
            "delta": self.delta,
            "lean": self._lean,
            "noise": self._noise,
            "spread": np.array(self.spread),
        }

    def grow(self, domains: int) -> None:
        """Know of so many domains."""
        joined = np.zeros(domains - len(self._row_of_domain), np.int64)
        self._row_of_domain = np.concatenate([self._row_of_domain, joined])

    def admit(self, domains: IntArray, step: int) -> None:
        """Give rows to those of these domains that have none."""
        fresh = np.unique(domains[self._row_of_domain[domains] == 0])
        if not len(fresh):
            return
        rows = len(self.domain)
        self._row_of_domain[fresh] = np.arange(rows, rows + len(fresh))
        like_row_0 = np.concatenate([np.arange(rows), np.zeros(len(fresh), np.int64)])
        self.domain = np.concatenate([self.domain, fresh])
        self.delta, self._lean = self.delta[like_row_0], self._lean[like_row_0]
        self._noise, self._touched = self._noise[like_row_0], self._touched[like_row_0]
        self._touched[rows:] = step

    def age(self, level: float) -> None:
        """Let a commit's time pass, in which levels gain this variance."""
        self.covariance = self.covariance + np.diag(np.append(level * self._drift, 0.0))

    def points(
        self, x: FloatArray, domain: IntArray, practised: BoolArray, step: int, level: float
    ) -> Points:
        """The tasks with these features, of these domains, at this step."""
        row = self._row_of_domain[domain]
        features = np.column_stack([x, practised.astype(np.float64)])
        moves, own = np.empty_like(features), np.empty(len(x))
        at_once = max(1, _NUMBERS_AT_ONCE // self._noise[0].size)
        for start in range(0, len(x), at_once):
            part = slice(start, start + at_once)
            moves[part] = features[part] - (self._lean[row[part]] * x[part, :, None]).sum(axis=1)
            own[part] = quadratic(self._noise_now(row[part], step, level), x[part])
        moved = times_each(self.covariance, moves)
        return Points(
            x=x,
            features=features,
            row=row,
            moves=moves,
            mean=(features * self.mean).sum(axis=1) + (x * self.delta[row]).sum(axis=1),
            variance=(moved * moves).sum(axis=1) + own,
            practice=moved[:, -1],
        )

    def of_average(
        self, points: Points, weight: FloatArray, step: int, unaged: FloatArray
    ) -> tuple[float, float, float]:
        """Variance of the tasks' weighted average on the line, without what levels gained lately.

        A gain of 1 by the shared level would add the second, one by each domain's in every step since it was last
        seen the third.

        Args:
            points: the tasks; all their domains have rows.
            weight: of each task.
            step: now.
            unaged: the shared weights' covariance before `age`.
        """
        share = weight / weight.sum()
        order, starts = _by_domain(points.row)
        row = points.row[order][starts]
        part = np.add.reduceat((points.x * share[:, None])[order], starts, axis=0)
        centre = (points.moves * share[:, None]).sum(axis=0)
        variance = quadratic(unaged, centre) + quadratic(self._noise[row], part).sum()
        own = (part[:, 0] ** 2 * (step - self._touched[row])).sum()
        return float(variance), float(centre[0] ** 2), float(own)

    def learn(
        self, points: Points, weight: FloatArray, surprise: FloatArray, step: int, level: float
    ) -> FloatArray:
        """Regress the tasks' surprises on the weights, and return by how much each task's mean on the line moves.

        Args:
            points: the tasks; all their domains have rows.
            weight: 1 / variance of each surprise.
            surprise: how far each task lies off the line.
            step: now.
            level: variance that levels gain in a step.
        """
        d = points.x.shape[1]
        order, starts = _by_domain(points.row)
        row = points.row[order][starts]
        both = np.concatenate([points.moves, points.x], axis=1)[order]  # of w, of the domain's noise
        weighted = both * weight[order, None]
        products = np.stack(
            [np.add.reduceat(both * weighted[:, i, None], starts, axis=0) for i in range(2 * d + 1)], axis=1
        )
        told = np.add.reduceat(weighted * surprise[order, None], starts, axis=0)
        # What the domain's noise is, given w.
        noise = inverse(inverse(self._noise_now(row, step, level)) + products[:, d + 1 :, d + 1 :])
        cross = products[:, d + 1 :, : d + 1]
        gain = (noise[:, :, :, None] * cross[:, None, :, :]).sum(axis=2)
        information = products[:, : d + 1, : d + 1] - (cross[:, :, :, None] * gain[:, :, None, :]).sum(axis=1)
        target = told[:, : d + 1] - (gain * told[:, d + 1 :, None]).sum(axis=1)
        self.covariance = inverse(inverse(self.covariance) + information.sum(axis=0))
        change = times(self.covariance, target.sum(axis=0))

        before = self.delta[points.row]
        self._lean[row] += gain
        self.delta[row] += times(noise, told[:, d + 1 :])
        self.delta -= np.stack(
            [(lean * change).sum(axis=1) for lean in np.moveaxis(self._lean, 1, 0)], axis=1
        )
        self._noise[row], self._touched[row] = noise, step
        self.mean = self.mean + change
        seen = slice(1, None)
        lean = self._lean[seen, 0]
        levels = (times_each(self.covariance, lean) * lean).sum(axis=1) + self._noise[seen, 0, 0]
        squares = (self.delta[seen, 0] ** 2 + levels).sum()
        self._set_spread(float((2.0 + squares) / (1.0 + len(self.domain))))
        moved = (points.features * change).sum(axis=1)
        return moved + (points.x * (self.delta[points.row] - before)).sum(axis=1)

    def _set_spread(self, spread: float) -> None:
        self.spread = spread
        self._noise[0] = np.diag([spread] + [_SPREAD_OF_SLOPES] * (len(self._drift) - 1))

    def _noise_now(self, row: IntArray, step: int, level: float) -> FloatArray:
        """Covariance of these domains' noise, which grows since they were last seen."""
        noise = self._noise[row]
        gap = np.where(row > 0, step - self._touched[row], 0)
        return noise + np.eye(len(self._drift)) * (level * gap[:, None] * self._drift)[:, None, :]


def _by_domain(row: IntArray) -> tuple[IntArray, IntArray]:
    """The order that brings tasks of one domain together, and where each domain begins in it."""
    order = np.argsort(row, kind="stable")
    return order, np.flatnonzero(np.diff(row[order], prepend=-1))
