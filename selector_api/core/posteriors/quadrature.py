"""Normal distributions of a logit, and what outcomes say of it, by sums over 21 points.

The nodes are those of Gauss and Hermite, exact for polynomials of degree 41. Nothing here calls BLAS or LAPACK,
whose last bits change with the processor.
"""

from __future__ import annotations

import numpy as np
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from selector_api.core.arrays import FloatArray

_HALF = (
    (0.0, 0.27026018357287707),
    (0.678045692440644, 0.2153337156950597),
    (1.3597658232112302, 0.10839228562641949),
    (2.049102468257163, 0.033952729786542866),
    (2.7505929810523733, 0.006439697051408777),
    (3.4698466904753764, 0.0007080477954815369),
    (4.214343981688422, 4.219234742551663e-05),
    (4.994963944782025, 1.2253548361482526e-06),
    (5.8293820073044715, 1.4506612844930857e-08),
    (6.751444718717461, 4.9753686041217186e-11),
    (7.8493828951138225, 2.0989912195656712e-14),
)
NODES: FloatArray = np.array([-node for node, _ in _HALF[:0:-1]] + [node for node, _ in _HALF])
"""Where a function is looked at, for N(0, 1); shape [21]."""
WEIGHTS: FloatArray = np.array([weight for _, weight in _HALF[:0:-1]] + [weight for _, weight in _HALF])
"""What each node counts; their sum is 1."""

_WIDENED = 1.15
"""The nodes reach a little further than the curvature at the mode says: likelihoods of few trials are skewed."""
_MOST_STEPS = 20
_LONGEST_STEP = 2.5
_CONVERGED = 1e-12


def log_predictive(
    successes: FloatArray, trials: FloatArray, mean: FloatArray, variance: FloatArray
) -> FloatArray:
    """Log-probability of outcomes whose logit is N(mean, variance), without the binomial coefficient.

    Args:
        successes: shape [batch], 0 to `trials`, perhaps no whole number.
        trials: shape [batch].
        mean: shape [batch].
        variance: shape [batch, grid], > 0.

    Returns:
        Shape [batch, grid].
    """
    logits = mean[:, None, None] + np.sqrt(variance)[:, :, None] * NODES
    values = _log_likelihood(successes[:, None, None], trials[:, None, None], logits)
    top = values.max(axis=2)
    return top + np.log((np.exp(values - top[:, :, None]) * WEIGHTS).sum(axis=2))


def tilted(
    successes: FloatArray, trials: FloatArray, mean: FloatArray, variance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of a logit that was N(mean, variance), once its outcomes are known; all shapes [batch]."""
    mode, precision = mean, 1.0 / variance
    for _ in range(_MOST_STEPS):
        rate = special.expit(mode)
        slope = successes - trials * rate - (mode - mean) * precision
        step = np.clip(slope / (trials * rate * (1.0 - rate) + precision), -_LONGEST_STEP, _LONGEST_STEP)
        mode = mode + step
        if np.abs(step).max() < _CONVERGED:
            break
    rate = special.expit(mode)
    scale = _WIDENED / np.sqrt(trials * rate * (1.0 - rate) + precision)
    logits = mode[:, None] + scale[:, None] * NODES
    values = _log_likelihood(successes[:, None], trials[:, None], logits)
    values += NODES * NODES / 2.0 - (logits - mean[:, None]) ** 2 * (precision / 2.0)[:, None]
    weights = np.exp(values - values.max(axis=1, keepdims=True)) * WEIGHTS
    weights /= weights.sum(axis=1, keepdims=True)
    centre = (weights * logits).sum(axis=1)
    return centre, (weights * (logits - centre[:, None]) ** 2).sum(axis=1)


def _log_likelihood(successes: FloatArray, trials: FloatArray, logits: FloatArray) -> FloatArray:
    return successes * logits - trials * (np.maximum(logits, 0.0) + np.log1p(np.exp(-np.abs(logits))))
