"""Sparse clocks have the law of drawing every task: chi-square and inclusion tests with fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest

from selector_api.core.policies.clocks import first_to_ring
from tests.core import laws

SEED = 41
ROUNDS = 4_000
MIXED = np.random.default_rng(SEED).random(12) + 0.05


@pytest.mark.parametrize(
    ("rates", "sizes", "count"),
    [
        (MIXED, [1, 1, 1, 1, 2, 3, 5, 8, 13, 21, 34, 60], 1),
        (MIXED, [1, 1, 1, 1, 2, 3, 5, 8, 13, 21, 34, 60], 9),
        (MIXED, [1, 1, 1, 1, 2, 3, 5, 8, 13, 21, 34, 60], 140),
        ([1.0, 1.0, 1.0], [1, 4, 40], 7),
        ([1.0, 0.01, 0.5], [1, 200, 2], 5),
        ([1.0, 1e-6, 1e-6, 1.0], [3, 40, 1, 2], 12),
    ],
    ids=["one", "some", "nearly all", "equal weights", "one huge class", "weights far apart"],
)
def test_strata_come_as_if_every_task_had_its_own_clock(rates, sizes, count):
    rates, sizes = np.array(rates), np.array(sizes)
    rng = np.random.default_rng(SEED)
    owner = np.repeat(np.arange(len(sizes)), sizes)

    sparse = np.array([first_to_ring(rates, sizes, count, rng) for _ in range(ROUNDS)])
    times = rng.exponential(size=(ROUNDS, len(owner))) / rates[owner]
    dense = owner[np.argsort(times, axis=1)[:, :count]]

    values = {
        "first": laws.same_frequencies(sparse[:, 0], dense[:, 0]),
        "last": laws.same_frequencies(sparse[:, -1], dense[:, -1]),
        # Of each stratum how many are in a batch: the batches are independent of each other.
        **{
            f"number of stratum {number}": laws.same_frequencies(
                (sparse == number).sum(axis=1), (dense == number).sum(axis=1)
            )
            for number in range(len(sizes))
        },
    }
    too_small = {name: value for name, value in values.items() if not value > laws.P_VALUE}
    assert not too_small, f"p-values below {laws.P_VALUE} with seed {SEED}: {too_small}"


def test_all_clocks_ring_once():
    sizes = np.array([1, 50, 3, 200])
    strata = first_to_ring(
        np.array([1.0, 1e-6, 0.3, 1e-3]), sizes, int(sizes.sum()), np.random.default_rng(1)
    )
    np.testing.assert_array_equal(np.bincount(strata), sizes)


def test_ten_million_tasks_take_no_more_draws_than_a_batch_needs():
    class Counting(np.random.Generator):
        drawn = 0

        def random(self, size):  # pyright: ignore[reportIncompatibleMethodOverride]
            self.drawn += size
            return super().random(size)

    rng = Counting(np.random.Philox(3))
    weights, sizes = np.linspace(0.01, 1.0, 289), np.full(289, 10**7 // 289)
    first_to_ring(weights, sizes, 64, rng)
    assert rng.drawn < 3 * 64
