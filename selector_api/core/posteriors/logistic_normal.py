"""Logistic-normal distributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.posteriors.quadrature import NODES, WEIGHTS, log_predictive

_ROWS_AT_ONCE = 1 << 9
"""So many rows at their 21 points, and what is worked out of them, fit the cache next to the processor."""


@dataclass(frozen=True)
class LogisticNormalMarginals:
    """Probabilities whose logits are normally distributed, one a row."""

    mu: FloatArray
    sigma: FloatArray

    def __len__(self) -> int:
        return len(self.mu)

    def mean(self) -> FloatArray:
        """E[p], by 21 points as all that follows."""
        return self._expected(special.expit)

    def sd(self) -> FloatArray:
        """√(E[p²] − E[p]²)."""
        return np.sqrt(
            np.maximum(self._expected(lambda logits: special.expit(logits) ** 2) - self.mean() ** 2, 0.0)
        )

    def signal(self) -> FloatArray:
        """E[4 p (1 − p)]."""
        return self._expected(_signal)

    def informative(self, rollouts: int) -> FloatArray:
        """1 − E[p^m] − E[(1 − p)^m]."""
        some = self._expected(
            lambda logits: 1.0 - special.expit(logits) ** rollouts - special.expit(-logits) ** rollouts
        )
        return np.clip(some, 0.0, 1.0)  # beyond which rounding may carry it

    def log_probability(self, successes: FloatArray, trials: FloatArray) -> FloatArray:
        """Log of C(n, s) E[p^s (1 − p)^(n − s)]. By the same points: all counts together have the probability 1."""
        ways = -np.log1p(trials) - special.betaln(successes + 1.0, trials - successes + 1.0)
        return ways + log_predictive(successes, trials, self.mu, self.sigma[:, None] ** 2)[:, 0]

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """One draw from every row."""
        return special.expit(self.mu + self.sigma * rng.standard_normal(len(self)))

    def cdf(self, x: FloatArray | float) -> FloatArray:
        """Φ((logit x − μ) / σ)."""
        return special.ndtr((special.logit(x) - self.mu) / self.sigma)

    def ppf(self, q: FloatArray) -> FloatArray:
        """The inverse of `cdf`."""
        return special.expit(self.mu + self.sigma * special.ndtri(q))

    def pdf(self, x: FloatArray | float) -> FloatArray:
        """φ(z) / (σ x (1 − x)) where z is the standardised logit of x; 0 at 0 and 1."""
        x = np.asarray(x, np.float64)
        inside = (x > 0.0) & (x < 1.0)
        x = np.where(inside, x, 0.5)
        z = (special.logit(x) - self.mu) / self.sigma
        density = np.exp(-z * z / 2.0) / (np.sqrt(2.0 * np.pi) * self.sigma * x * (1.0 - x))
        return np.where(inside, density, 0.0)

    def take(self, rows: IntArray) -> LogisticNormalMarginals:
        """The distributions of these rows."""
        return LogisticNormalMarginals(self.mu[rows], self.sigma[rows])

    def parameters(self) -> dict[str, FloatArray]:
        """Mean and standard deviation of the logit."""
        return {"mu": self.mu, "sigma": self.sigma}

    def _expected(self, function: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """E[function(logit)] of every row."""
        expected = np.empty(len(self))
        for start in range(0, len(self), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            logits = self.mu[rows, None] + self.sigma[rows, None] * NODES
            expected[rows] = (function(logits) * WEIGHTS).sum(axis=1)
        return expected


def _signal(logits: FloatArray) -> FloatArray:
    # A draw needs it of every task ever reported: one exponential, of which numpy makes several at once.
    odds = np.exp(-np.abs(logits))
    return 4.0 * odds / (1.0 + odds) ** 2
