"""Softmax selection: tasks without replacement, by the weights exp(−|p̂ − p*| / τ)."""

from __future__ import annotations

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray


def softmax_sample(
    values: FloatArray, target: float, temperature: float, count: int, rng: np.random.Generator
) -> IntArray:
    """Positions in `values` of `count` entries drawn one after another by weight, in that order.

    Gumbel top-k (Kool, van Hoof, Welling 2019, "Stochastic beams and where to find them"). The keys are τ
    times the usual ones: the same order, and no overflow however small τ is.

    Args:
        values: p̂, in [0, 1].
        target: p*, in [0, 1].
        temperature: τ > 0.
        count: 1 to len(values).
        rng: where the draws come from.
    """
    costs = np.abs(values - target) - temperature * rng.gumbel(size=len(values))
    nearest = np.argpartition(costs, count - 1)[:count]
    return nearest[np.argsort(costs[nearest])]
