"""Of very many independent draws, those nearest a point, without making the others.

`sizes[x]` draws of distribution x, all independent, lie somewhere on [0, 1]. Looked at from p* outwards
they can be revealed ring by ring: given how many lie within a radius, those beyond it are still independent
draws, of their distributions conditioned on lying beyond. So, with P the probability of the ball around p*,

    first ball:  count_x ~ Binomial(n_x, P_x)
    wider ball:  count_x more ~ Binomial(n_x − count_x, (P'_x − P_x) / (1 − P_x))

and each draw of a ring is placed by the truncated inverse distribution function. This has the law of
drawing everything, as long as a radius hangs on nothing but what has been revealed: the first follows from
the distributions and from draws made elsewhere (`known`), which are independent of these; a wider one from
there being too few within the last. How the radius is found does not matter to the law, only to the cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.posteriors.posterior import Marginals

_TRIES = 40
"""Radii tried at the most. Nearly always one or two are; the rest is bisection for distributions that have
their whole mass at one place, or an infinite density at p*."""
_PROPORTIONAL_TRIES = 5
_TINY = 1e-300
_STEEP, _BENT = 4e-3, 4e-6
"""By how much of itself a density may differ between an interval's ends, and the mean of these from its middle, for
Simpson's rule to tell its probability to 1e-12: a difference of distribution functions is less exact there."""


@dataclass(frozen=True)
class _Ball:
    """[low, high] around the target, and each distribution's probability there."""

    radius: float
    low: float
    high: float
    inside: FloatArray


def draws_near(
    marginals: Marginals,
    sizes: IntArray,
    target: float,
    known: FloatArray,
    count: int,
    rng: np.random.Generator,
) -> tuple[IntArray, FloatArray]:
    """All draws within some radius of `target` that holds, together with `known`, at least `count`.

    Costs O(distributions + count), whatever the sizes.

    Args:
        marginals: the distributions.
        sizes: shape [distributions], >= 1, how many draws each stands for.
        target: p*, in [0, 1].
        known: distances to p* of draws made elsewhere, which compete for the batch: all, or all up to the
            `count`-th smallest.
        count: >= 1, at most sizes.sum() + len(known).
        rng: where the draws come from.

    Returns:
        The distribution and the value of each draw, in no particular order.
    """
    known = np.sort(known)[:count]
    farthest = max(target, 1.0 - target)
    # Where the known draws alone fill the batch, no other draw beyond the last of them can enter it.
    limit = float(known[-1]) if len(known) == count else farthest

    inner = _Ball(0.0, target, target, np.zeros(len(sizes)))
    wanted = count + 2.0 * math.sqrt(count) + 2.0  # rarely too few, never many too many
    density = float(sizes @ marginals.pdf(target)) * (1.0 if target in (0.0, 1.0) else 2.0)
    guess = 1.4 * wanted / density if 0.0 < density < math.inf else limit

    remaining = sizes.copy()
    rings: list[tuple[IntArray, FloatArray]] = []
    while True:
        outer = _ball_holding(wanted, marginals, sizes, target, known, guess, inner.radius, limit)
        inside = rng.binomial(remaining, _chance(inner, outer, farthest))
        remaining -= inside
        rings.append(_placed(marginals, inside, inner, outer, rng))
        found = int((sizes - remaining).sum()) + int(np.searchsorted(known, outer.radius, side="right"))
        if found >= count or outer.radius >= limit:
            rows, values = zip(*rings, strict=True)
            return np.concatenate(rows), np.concatenate(values)
        inner, wanted, guess = outer, 2.0 * wanted, 2.0 * outer.radius


def _ball(marginals: Marginals, target: float, radius: float) -> _Ball:
    low, high = max(target - radius, 0.0), min(target + radius, 1.0)
    return _Ball(radius, low, high, _between(marginals, low, high))


def _between(marginals: Marginals, low: float, high: float) -> FloatArray:
    """Probability of [low, high], from the density alone where that hardly changes: it costs a tenth."""
    if low <= 0.0 or high >= 1.0:  # where densities may be infinite
        return marginals.cdf(high) - marginals.cdf(low)
    at_low, at_high = marginals.pdf(low), marginals.pdf(high)
    at_middle = marginals.pdf((low + high) / 2.0)
    ends = at_low + at_high
    probability = (ends + 4.0 * at_middle) * (high - low) / 6.0
    is_steep = np.abs(at_high - at_low) > _STEEP * at_middle
    is_bent = np.abs(ends / 2.0 - at_middle) > _BENT * at_middle
    # Where there is nothing to be seen, a narrow peak may stand between the places that were looked at.
    (rows,) = np.nonzero(is_steep | is_bent | (at_middle < _TINY))
    if len(rows):
        others = marginals.take(rows)
        probability[rows] = others.cdf(high) - others.cdf(low)
    return probability


def _ball_holding(
    wanted: float,
    marginals: Marginals,
    sizes: IntArray,
    target: float,
    known: FloatArray,
    guess: float,
    lower: float,
    limit: float,
) -> _Ball:
    """A ball expected to hold `wanted` draws to twice as many, of a radius in (lower, limit], or that of `limit`.

    From `guess` on the radius is scaled by how far the expected number is off. Where that fails it is
    bisected, in its logarithm: an infinite density can call for very small radii.
    """
    upper, enough = limit, None
    for attempt in range(_TRIES):
        radius = min(guess, limit)
        ball = _ball(marginals, target, radius)
        expected = float(sizes @ ball.inside + np.searchsorted(known, radius, side="right"))
        if expected < wanted:
            if radius >= limit:
                return ball
            lower = radius
        elif expected <= 2.0 * wanted:
            return ball
        else:
            upper, enough = radius, ball
        guess = 1.4 * radius * wanted / expected if expected > 0.0 else math.inf
        if attempt >= _PROPORTIONAL_TRIES or not lower < guess < upper:
            guess = limit if enough is None else math.sqrt(max(lower, _TINY)) * math.sqrt(upper)
    return enough or _ball(marginals, target, limit)


def _chance(inner: _Ball, outer: _Ball, farthest: float) -> FloatArray:
    """Probability that a draw beyond `inner` lies within `outer`."""
    if outer.radius >= farthest:
        return np.ones(len(inner.inside))
    beyond = 1.0 - inner.inside
    # Nothing lies beyond a ball that holds all: what rounding has left there is within the next.
    chance = np.divide(outer.inside - inner.inside, beyond, out=np.ones_like(beyond), where=beyond > 0.0)
    return np.clip(chance, 0.0, 1.0)


def _placed(
    marginals: Marginals, counts: IntArray, inner: _Ball, outer: _Ball, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """Draws conditioned on the ring between two balls, `counts[x]` of distribution x."""
    rows = np.repeat(np.arange(len(counts)), counts)
    placed = marginals.take(rows)
    outer_low, inner_low, inner_high, outer_high = (
        placed.cdf(x) for x in (outer.low, inner.low, inner.high, outer.high)
    )
    left = np.maximum(inner_low - outer_low, 0.0)
    right = np.maximum(outer_high - inner_high, 0.0)
    place = rng.random(len(rows)) * (left + right)
    in_left = place < left
    quantile = np.where(in_left, outer_low + place, inner_high + (place - left))
    values = placed.ppf(np.clip(quantile, 0.0, 1.0))
    # Rounding must not carry a draw out of its piece of the ring.
    left_values = np.clip(values, outer.low, inner.low)
    right_values = np.clip(values, inner.high, outer.high)
    return rows, np.where(in_left, left_values, right_values)
