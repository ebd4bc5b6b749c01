from __future__ import annotations

import numpy as np
import pytest

from selector_api.core.arrays import FloatArray
from selector_api.core.policies import nearest
from selector_api.core.policies.nearest import draws_near
from selector_api.core.posteriors.beta import BetaMarginals
from tests.core import laws

MARGINALS = BetaMarginals(np.array([1.0, 0.5, 4.0, 40.0, 1.0]), np.array([1.0, 0.5, 1.5, 9.0, 17.0]))
SIZES = np.array([30, 12, 25, 50, 1])
NOTHING = np.empty(0)
SELECTIONS = 2500
DENSE = 20_000


def assert_law_of_drawing_everything(target: float, count: int, known: FloatArray = NOTHING) -> None:
    """The nearest and the `count`-th nearest draw: of which distribution (−1: a known one), and its value."""
    rng = np.random.default_rng(5)
    distances = np.abs(known - target)
    sparse_rows, sparse_values = [], []
    for _ in range(SELECTIONS):
        rows, values = draws_near(MARGINALS, SIZES, target, distances, count, rng)
        rows, values = np.append(rows, np.full(len(known), -1)), np.append(values, known)
        ends = np.argsort(np.abs(values - target))[[0, count - 1]]
        sparse_rows.append(rows[ends])
        sparse_values.append(values[ends])

    of_draw = np.repeat(np.arange(len(SIZES)), SIZES)
    draws = rng.beta(MARGINALS.alpha[of_draw], MARGINALS.beta[of_draw], size=(DENSE, len(of_draw)))
    draws = np.column_stack([draws, np.tile(known, (DENSE, 1))])
    of_draw = np.append(of_draw, np.full(len(known), -1))
    ends = np.argsort(np.abs(draws - target), axis=1)[:, [0, count - 1]]

    dense = of_draw[ends].T + 1, np.take_along_axis(draws, ends, axis=1).T
    sparse = np.array(sparse_rows).T + 1, np.array(sparse_values).T
    for end in range(2):
        assert laws.same_frequencies(sparse[0][end], dense[0][end]) > laws.P_VALUE
        assert laws.same_distribution(sparse[1][end], dense[1][end]) > laws.P_VALUE


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.02, 0.3, 1.0, 10.0])
@pytest.mark.parametrize(("target", "count"), [(0.45, 6), (0.0, 3)])
def test_the_law_does_not_hang_on_the_radius(monkeypatch, factor, target, count):
    found = nearest._ball_holding
    # Balls for far fewer draws than are wanted make most selections widen theirs, once or several times.
    monkeypatch.setattr(nearest, "_ball_holding", lambda wanted, *rest: found(factor * wanted, *rest))
    assert_law_of_drawing_everything(target, count)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "count"), [(1.0, 4), (0.8, 100), (0.5, 1)])
def test_draws_made_elsewhere_compete(target, count):
    assert_law_of_drawing_everything(target, count, known=np.array([0.31, 0.48, 0.795, 0.81, 0.985, 0.99]))


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_everything_is_drawn_if_everything_is_wanted(target):
    rows, values = draws_near(MARGINALS, SIZES, target, NOTHING, int(SIZES.sum()), np.random.default_rng(0))
    assert np.bincount(rows).tolist() == SIZES.tolist()
    assert ((values >= 0) & (values <= 1)).all()


@pytest.mark.parametrize("target", [0.0, 1e-9, 0.25, 0.5, 1.0])
@pytest.mark.parametrize(
    ("alpha", "beta"), [(1, 1), (1, 17), (17, 1), (0.5, 0.8), (0.06, 1), (300, 700), (6e6, 4e6)]
)
def test_a_batch_from_a_hundred_million_takes_few_draws(target, alpha, beta):
    marginals = BetaMarginals(np.array([alpha, 1.0]), np.array([beta, 20.0]))
    sizes = np.array([10**8, 1000])
    for seed in range(3):
        rows, values = draws_near(marginals, sizes, target, NOTHING, 64, np.random.default_rng(seed))
        assert 64 <= len(rows) == len(values) < 400
        assert ((values >= 0) & (values <= 1)).all()


def test_known_draws_at_the_target_leave_nothing_to_draw():
    rows, _ = draws_near(MARGINALS, SIZES, 0.5, np.zeros(8), 8, np.random.default_rng(0))
    assert len(rows) == 0


@pytest.mark.parametrize("radius", [1e-9, 1e-6, 1e-4, 1e-3, 0.02, 0.3])
@pytest.mark.parametrize("target", [0.02, 0.5, 0.97])
def test_what_a_ball_holds_is_what_the_distribution_has_there(target, radius):
    grid = np.meshgrid([0.06, 0.5, 1.0, 1.6, 18.0, 4e6], [0.3, 1.0, 7.0, 6e6])
    marginals = BetaMarginals(*(parameters.ravel() for parameters in grid))
    low, high = max(target - radius, 0.0), min(target + radius, 1.0)
    inside = nearest._between(marginals, low, high)
    np.testing.assert_allclose(inside, marginals.cdf(high) - marginals.cdf(low), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("radius", [1e-9, 1e-6, 1e-4, 1e-3])
def test_what_a_narrow_ball_holds_is_told_to_twelve_digits(radius):
    grid = np.meshgrid([0.5, 1.0, 1.6, 18.0], [0.3, 1.0, 7.0])
    marginals = BetaMarginals(*(parameters.ravel() for parameters in grid))
    low, high = 0.4 - radius, 0.4 + radius
    points, weights = np.polynomial.legendre.leggauss(12)
    places = (low + high) / 2 + points * (high - low) / 2
    densities = np.array([marginals.pdf(place) for place in places])
    inside = nearest._between(marginals, low, high)
    np.testing.assert_allclose(inside, weights @ densities * (high - low) / 2, rtol=2e-12)
