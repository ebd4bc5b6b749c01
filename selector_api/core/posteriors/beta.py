"""Beta distributions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from selector_api.core.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class BetaMarginals:
    """Beta distributions, one a row."""

    alpha: FloatArray
    beta: FloatArray

    def __len__(self) -> int:
        return len(self.alpha)

    def mean(self) -> FloatArray:
        """α / (α + β)."""
        return self.alpha / (self.alpha + self.beta)

    def sd(self) -> FloatArray:
        """Square root of αβ / ((α+β)² (α+β+1))."""
        total = self.alpha + self.beta
        return np.sqrt(self.alpha * self.beta / (total + 1.0)) / total

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """One draw from every row."""
        return rng.beta(self.alpha, self.beta)

    def cdf(self, x: FloatArray | float) -> FloatArray:
        """Regularised incomplete beta function at x."""
        return special.betainc(self.alpha, self.beta, x)

    def ppf(self, q: FloatArray) -> FloatArray:
        """Inverse of the regularised incomplete beta function."""
        return special.betaincinv(self.alpha, self.beta, q)

    def pdf(self, x: FloatArray | float) -> FloatArray:
        """Density at x: infinite at 0 where α < 1, at 1 where β < 1."""
        log_density = (
            special.xlogy(self.alpha - 1.0, x)
            + special.xlog1py(self.beta - 1.0, -np.asarray(x))
            - self._log_beta
        )
        return np.exp(log_density)

    @cached_property
    def _log_beta(self) -> FloatArray:
        """Log of B(α, β), most of the work of a density."""
        return special.betaln(self.alpha, self.beta)

    def signal(self) -> FloatArray:
        """E[4 p (1 − p)] = 4αβ / ((α+β) (α+β+1))."""
        total = self.alpha + self.beta
        return 4.0 * (self.alpha / total) * (self.beta / (total + 1.0))

    @classmethod
    def of_moments(cls, mean: FloatArray, sd: FloatArray) -> BetaMarginals:
        """Those with these means and standard deviations, as far as a beta distribution can have them."""
        mean = np.clip(mean, 1e-6, 1.0 - 1e-6)
        total = np.clip(mean * (1.0 - mean) / np.maximum(sd, 1e-6) ** 2 - 1.0, 1e-3, 1e6)
        return cls(mean * total, (1.0 - mean) * total)

    def informative(self, rollouts: int | IntArray) -> FloatArray:
        """1 − E[p^m] − E[(1 − p)^m]; to 1e-8 up to α + β of a million."""
        none = special.betaln(self.alpha, self.beta)
        all_pass = np.exp(special.betaln(self.alpha + rollouts, self.beta) - none)
        all_fail = np.exp(special.betaln(self.alpha, self.beta + rollouts) - none)
        return np.maximum(1.0 - all_pass - all_fail, 0.0)

    def log_probability(self, successes: FloatArray, trials: FloatArray) -> FloatArray:
        """Beta-binomial: log of C(n, s) B(α + s, β + n − s) / B(α, β)."""
        failures = trials - successes
        ways = -np.log1p(trials) - special.betaln(successes + 1.0, failures + 1.0)
        counts = special.betaln(self.alpha + successes, self.beta + failures)
        return ways + counts - special.betaln(self.alpha, self.beta)

    def take(self, rows: IntArray) -> BetaMarginals:
        """The distributions of these rows."""
        return BetaMarginals(self.alpha[rows], self.beta[rows])

    def parameters(self) -> dict[str, FloatArray]:
        """α and β."""
        return {"alpha": self.alpha, "beta": self.beta}
