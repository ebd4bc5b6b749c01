"""Beta distributions by their mean and standard deviation."""

from __future__ import annotations

import numpy as np

from selector_api.core.posteriors.beta import BetaMarginals


def test_moments_give_the_distribution_that_has_them() -> None:
    alpha = np.array([0.01, 0.3, 1.0, 2.5, 400.0])
    beta = np.array([0.02, 0.3, 1.0, 7.5, 3.0])
    known = BetaMarginals(alpha, beta)
    found = BetaMarginals.of_moments(known.mean(), known.sd())
    np.testing.assert_allclose([found.alpha, found.beta], [alpha, beta], rtol=1e-9)


def test_moments_that_no_beta_has_give_one_near_by() -> None:
    found = BetaMarginals.of_moments(np.array([0.0, 1.0, 0.3, 0.3]), np.array([0.0, 0.0, 0.0, 0.9]))
    np.testing.assert_allclose(found.mean(), [0.0, 1.0, 0.3, 0.3], atol=1e-5)
    np.testing.assert_allclose(found.sd(), [0.0, 0.0, 0.0, np.sqrt(0.3 * 0.7)], atol=1e-3)
