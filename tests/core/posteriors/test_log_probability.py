"""What every kind of distribution gives to counts: the binomial, averaged over the success probability."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from selector_api.core.posteriors.beta import BetaMarginals
from selector_api.core.posteriors.logistic_normal import LogisticNormalMarginals
from selector_api.core.posteriors.posterior import Marginals
from tests.kinds.band import Uniform

KINDS: list[Marginals] = [
    BetaMarginals(np.array([1.0, 2.5, 30.0]), np.array([1.0, 0.8, 12.0])),
    LogisticNormalMarginals(np.array([0.0, -1.0, 2.0]), np.array([0.5, 0.9, 0.3])),
    Uniform(np.array([0.0, 0.2, 0.9]), np.array([1.0, 0.4, 1.0])),
]


@pytest.mark.parametrize("marginals", KINDS, ids=lambda marginals: type(marginals).__name__)
@pytest.mark.parametrize(("successes", "trials"), [(0.0, 1.0), (3.0, 8.0), (2.25, 4.0), (16.0, 16.0)])
def test_it_is_the_integral(marginals: Marginals, successes: float, trials: float) -> None:
    found = marginals.log_probability(np.full(3, successes), np.full(3, trials))
    ways = 1.0 / ((trials + 1.0) * special.beta(successes + 1.0, trials - successes + 1.0))
    for row in range(3):
        alone = marginals.take(np.array([row]))

        def weighed(x: float, alone: Marginals = alone) -> float:
            return float(x**successes * (1.0 - x) ** (trials - successes) * alone.pdf(x)[0])

        ends = [float(alone.ppf(np.array([q]))[0]) for q in (0.0, 0.01, 0.5, 0.99, 1.0)]
        expected = sum(integrate.quad(weighed, *pair)[0] for pair in pairwise(ends))
        assert found[row] == pytest.approx(np.log(ways * expected), abs=1e-4)


@pytest.mark.parametrize("marginals", KINDS, ids=lambda marginals: type(marginals).__name__)
def test_all_counts_together_are_certain(marginals: Marginals) -> None:
    counts = [marginals.log_probability(np.full(3, float(s)), np.full(3, 8.0)) for s in range(9)]
    assert np.exp(counts).sum(axis=0) == pytest.approx([1.0] * 3)


@settings(deadline=None, derandomize=True)
@given(
    alpha=st.floats(1e-3, 1e5),
    beta=st.floats(1e-3, 1e5),
    trials=st.integers(1, 64),
    share=st.floats(0.0, 1.0),
)
def test_a_beta_gives_the_beta_binomial(alpha: float, beta: float, trials: int, share: float) -> None:
    successes = round(share * trials)
    marginals = BetaMarginals(np.array([alpha]), np.array([beta]))
    found = marginals.log_probability(np.array([float(successes)]), np.array([float(trials)]))
    expected = stats.betabinom.logpmf(successes, trials, alpha, beta)
    assert found[0] == pytest.approx(expected, rel=1e-6, abs=1e-6)
