from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from scipy import integrate, special, stats

from selector_api.core.posteriors.beta import BetaMarginals
from selector_api.core.posteriors.logistic_normal import LogisticNormalMarginals

X = np.linspace(0.0, 1.0, 11)
LAWS = [(0.0, 1.0), (-2.0, 0.3), (1.5, 1.8), (-0.4, 2.6)]


def expected(mu: float, sigma: float, function) -> float:
    """E[function(p)] by adaptive quadrature."""
    law = cast(Any, stats.norm(mu, sigma))
    value, _ = integrate.quad(
        lambda logit: function(special.expit(logit)) * law.pdf(logit),
        mu - 12 * sigma,
        mu + 12 * sigma,
        limit=500,
        epsabs=1e-12,
    )
    return value


@pytest.mark.parametrize(("mu", "sigma"), LAWS)
def test_the_marginals_are_logistic_normal(mu, sigma):
    marginals = LogisticNormalMarginals(np.full(11, mu), np.full(11, sigma))
    law = cast(Any, stats.norm(mu, sigma))
    inside = X[1:-1]
    assert len(marginals) == 11
    np.testing.assert_allclose(marginals.cdf(X), law.cdf(special.logit(X)), rtol=1e-12)
    np.testing.assert_allclose(marginals.ppf(X), special.expit(law.ppf(X)), rtol=1e-12)
    density = law.pdf(special.logit(inside)) / (inside * (1 - inside))
    np.testing.assert_allclose(marginals.pdf(X), [0.0, *density, 0.0], rtol=1e-12)
    assert {name: column[0] for name, column in marginals.parameters().items()} == {"mu": mu, "sigma": sigma}
    mean = expected(mu, sigma, lambda p: p)
    # 21 points: three digits of what is read off them, and more where the law is narrow.
    assert marginals.mean()[0] == pytest.approx(mean, abs=5e-4)
    sd = expected(mu, sigma, lambda p: (p - mean) ** 2) ** 0.5
    assert marginals.sd()[0] == pytest.approx(sd, abs=2e-3)
    assert marginals.signal()[0] == pytest.approx(expected(mu, sigma, lambda p: 4 * p * (1 - p)), abs=5e-3)
    informative = expected(mu, sigma, lambda p: 1 - p**8 - (1 - p) ** 8)
    assert marginals.informative(8)[0] == pytest.approx(informative, abs=2e-2)
    drawn = marginals.take(np.zeros(4000, int)).draw(np.random.default_rng(1))
    assert stats.kstest(drawn, lambda x: law.cdf(special.logit(x))).pvalue > 1e-3


@pytest.mark.parametrize("rollouts", [1, 2, 8, 1_000_000])
def test_informative_is_a_probability_however_sure_a_task_is(rollouts):
    mu = np.linspace(-900.0, 900.0, 181)
    for sigma in (1e-3, 1.0, 300.0):
        informative = LogisticNormalMarginals(mu, np.full(181, sigma)).informative(rollouts)
        assert informative.min() >= 0.0
        assert informative.max() <= (1.0 if rollouts > 1 else 1e-15)


def test_a_batch_s_rows_are_each_its_own():
    """Whatever stands beside them, and however many."""
    rng = np.random.default_rng(2)
    many = LogisticNormalMarginals(rng.normal(size=40_000), rng.uniform(0.1, 3, 40_000))
    some = rng.choice(40_000, 50, replace=False)
    for of in (LogisticNormalMarginals.mean, LogisticNormalMarginals.sd, LogisticNormalMarginals.signal):
        assert of(many)[some].tobytes() == of(many.take(some)).tobytes()


def test_the_signal_of_a_beta_is_in_closed_form():
    alpha, beta = np.array([1.0, 0.5, 12.0]), np.array([1.0, 3.0, 5.0])
    law = cast(Any, stats.beta(alpha, beta))
    expected_ = 4 * (law.mean() - law.var() - law.mean() ** 2)
    np.testing.assert_allclose(BetaMarginals(alpha, beta).signal(), expected_, rtol=1e-12)
