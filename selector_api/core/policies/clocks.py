"""Tasks without replacement by weight, of very many, without looking at each.

Drawing one after another in proportion to weights, what was drawn put aside, has the law of alarm clocks: task i
rings after an exponential time of rate w_i, and the batch is the first to ring. The tasks of a stratum have equal
rates. So how many of its n clocks ring within a span is a binomial number of n and 1 − exp(−w·span), when they do a
truncated exponential time, and those that did not ring are as good as new: the next span begins as the first did.
A span may hang on what rang before it, and on nothing else, so how it is found matters to the cost alone.
"""

from __future__ import annotations

import math

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray


def first_to_ring(rates: FloatArray, sizes: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """The stratum of each of the first `count` clocks to ring, in their order.

    Costs O(strata + count), whatever the sizes.

    Args:
        rates: shape [strata], > 0, of every clock of a stratum.
        sizes: shape [strata], >= 1, how many clocks it has.
        count: 1 to sizes.sum().
        rng: where the draws come from.
    """
    silent = sizes.copy()
    rung: list[IntArray] = []
    missing = count
    while missing > 0:
        wanted = missing + 2.0 * math.sqrt(missing) + 2.0  # rarely too few, never many too many
        span = wanted / float(silent @ rates) if wanted < silent.sum() else math.inf
        chance = -np.expm1(-rates * span)
        ringing = rng.binomial(silent, chance)
        strata = np.repeat(np.arange(len(rates)), ringing)
        times = -np.log1p(-rng.random(len(strata)) * chance[strata]) / rates[strata]
        rung.append(strata[np.argsort(times)])
        silent -= ringing
        missing -= len(strata)
    return np.concatenate(rung)[:count]
