from __future__ import annotations

import numpy as np
import pytest

from selector_api.core.policies.softmax import softmax_sample
from tests.core import laws


def test_pairs_are_drawn_with_their_exact_probabilities():
    values, target, temperature = np.array([0.1, 0.45, 0.5, 0.7, 1.0]), 0.5, 0.2
    weights = np.exp(-np.abs(values - target) / temperature)
    weights /= weights.sum()
    pairs = weights[:, None] * weights[None, :] / (1 - weights[:, None])
    np.fill_diagonal(pairs, 0)

    rng = np.random.default_rng(5)
    drawn = np.array([softmax_sample(values, target, temperature, 2, rng) for _ in range(20_000)])

    counts = np.bincount(drawn[:, 0] * 5 + drawn[:, 1], minlength=25)
    assert counts[pairs.ravel() == 0].sum() == 0
    assert laws.expected_frequencies(counts, pairs.ravel()) > laws.P_VALUE


@pytest.mark.parametrize("temperature", [1e-300, 1e-12])
def test_hardly_any_temperature_takes_the_nearest(temperature):
    values = np.array([0.9, 0.2, 0.52, 0.4])
    drawn = softmax_sample(values, 0.5, temperature, 4, np.random.default_rng(0))
    assert drawn.tolist() == [2, 3, 1, 0]


def test_everything_can_be_drawn():
    drawn = softmax_sample(np.linspace(0, 1, 7), 0.5, 0.3, 7, np.random.default_rng(0))
    assert sorted(drawn.tolist()) == list(range(7))
