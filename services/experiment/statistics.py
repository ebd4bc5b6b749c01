"""The numbers of a comparison: intervals over seeds, Time-to-Baseline, Best-so-Far, and calibration.

Nothing here knows of files or trainers. A curve is a sequence of points (position, accuracy) in the order of
training, the first at position 0; positions are steps, or anything else that grows with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95
BINS = 10
ROUNDING = 1e-9

Curve = Sequence[tuple[float, float]]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds, with Student's interval around it; `low` and `high` are None for one seed."""

    mean: float
    low: float | None
    high: float | None
    n: int


def half_width(values: FloatArray) -> FloatArray:
    """Half the width of Student's interval of the mean over the first axis, which has two values or more."""
    n = len(values)
    return stdtrit(n - 1, (1 + CONFIDENCE) / 2) * values.std(axis=0, ddof=1) / np.sqrt(n)


def estimate(values: Sequence[float]) -> Estimate | None:
    """The mean of one value a seed, with its interval; None without values."""
    if not values:
        return None
    array = np.asarray(values, dtype=np.float64)
    mean = float(array.mean())
    if len(array) == 1:
        return Estimate(mean, None, None, 1)
    half = float(half_width(array))
    return Estimate(mean, mean - half, mean + half, len(array))


@dataclass(frozen=True)
class Reach:
    """Time-to-Baseline of one seed: `ratio` below 1 is faster than the baseline.

    Where the target was not `reached`, the ratio is a lower bound: the end of training stands in for the
    position that was sought.
    """

    ratio: float
    reached: bool


def time_to_baseline(own: Curve, baseline: Curve, share: float) -> Reach | None:
    """How long a policy takes to a share of the baseline's gain, over how long the baseline takes (BOTS, TTB).

    The target is b0 + share · (best − b0), with b0 the baseline's first accuracy and best its best one; the time is
    the first evaluated position with at least the target. None if the baseline never exceeded b0: there is no gain
    to reach then.
    """
    target = _target(baseline, share)
    if target is None:
        return None
    reached, reference = first_with(own, target), first_with(baseline, target)
    assert reference is not None
    return Reach((own[-1][0] if reached is None else reached) / reference, reached is not None)


def time_to_gain(curve: Curve, share: float) -> float | None:
    """The first evaluated position with that share of the curve's own gain; None if it gained nothing."""
    target = _target(curve, share)
    return None if target is None else first_with(curve, target)


def _target(baseline: Curve, share: float) -> float | None:
    start, best = baseline[0][1], max(accuracy for _, accuracy in baseline)
    if best <= start:
        return None
    return start + share * (best - start)


def first_with(curve: Curve, accuracy: float) -> float | None:
    """The first evaluated position with at least this accuracy; None if there is none."""
    return next((position for position, reached in curve if reached >= accuracy - ROUNDING), None)


@dataclass(frozen=True)
class Reached:
    """Time-to-Baseline over seeds.

    Of `n` seeds whose baseline gained, `reached` reached the target. If that is not all, `mean` takes the lower
    bound of the others and is one itself, and `low` and `high` are None.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    reached: int


def estimate_reach(seeds: Sequence[Reach]) -> Reached | None:
    """The mean Time-to-Baseline of the seeds where it is defined; None without any."""
    ratios = estimate([seed.ratio for seed in seeds])
    if ratios is None:
        return None
    reached = sum(seed.reached for seed in seeds)
    low, high = (ratios.low, ratios.high) if reached == len(seeds) else (None, None)
    return Reached(ratios.mean, low, high, len(seeds), reached)


def best_so_far(own: Curve, baseline: Curve, until: float) -> float | None:
    """A policy's best accuracy up to a position, over the baseline's (BOTS, BSF); None if the baseline's is 0."""
    reference = _best(baseline, until)
    return _best(own, until) / reference if reference > 0 else None


def _best(curve: Curve, until: float) -> float:
    return max(accuracy for position, accuracy in curve if position <= until)


@dataclass(frozen=True)
class Calibration:
    """How well forecasts of pass rates fit: `brier` = reliability − resolution + uncertainty, exactly.

    brier           mean squared difference between a task's forecast and its pass rate
    reliability     what is lost by forecasts that are wrong on average, by bin of forecasts
    resolution      what is gained by telling tasks apart, with the terms for variation within a bin (Stephenson,
                    Coelho and Jolliffe 2008, Weather and Forecasting 23)
    uncertainty     the variance of the pass rates: the score of one who always forecasts their mean
    sampling_noise  what would remain of `brier` with the true success probabilities as forecasts, for rewards of
                    0 and 1: a pass rate of n rollouts scatters by p (1 − p) / n. None where a task has one rollout
    """

    tasks: int
    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    sampling_noise: float | None


@dataclass(frozen=True)
class Forecasts:
    """Forecast and outcome of selected tasks, an entry each: success rates in [0, 1], and numbers of rollouts."""

    means: FloatArray
    rates: FloatArray
    trials: FloatArray

    @property
    def bins(self) -> NDArray[np.int64]:
        """The bin of each forecast, of `BINS` of equal width; the last one holds 1."""
        return np.minimum((self.means * BINS).astype(np.int64), BINS - 1)


def calibration(forecasts: Forecasts) -> Calibration | None:
    """Brier score and its decomposition; None without forecasts."""
    means, rates, trials = forecasts.means, forecasts.rates, forecasts.trials
    if not len(means):
        return None
    brier = float(np.mean((means - rates) ** 2))
    counts, mean_forecast, mean_rate = binned(forecasts)
    filled = counts > 0
    gaps = (mean_forecast[filled] - mean_rate[filled]) ** 2
    reliability = float(np.average(gaps, weights=counts[filled]))
    uncertainty = float(np.var(rates))
    noise = float(np.mean(rates * (1 - rates) / (trials - 1))) if trials.min() > 1 else None
    return Calibration(len(means), brier, reliability, reliability + uncertainty - brier, uncertainty, noise)


def calibration_error(forecasts: Forecasts) -> float | None:
    """Expected calibration error: the mean over tasks of how far their bin's forecasts are from its pass rates."""
    if not len(forecasts.means):
        return None
    counts, means, rates = binned(forecasts)
    filled = counts > 0
    return float(np.average(np.abs(means - rates)[filled], weights=counts[filled]))


def binned(forecasts: Forecasts) -> tuple[FloatArray, FloatArray, FloatArray]:
    """By bin: the number of tasks, their mean forecast and their mean pass rate (both NaN in an empty bin)."""
    bins = forecasts.bins
    counts = np.bincount(bins, minlength=BINS).astype(np.float64)
    with np.errstate(invalid="ignore"):
        means = np.bincount(bins, forecasts.means, BINS) / counts
        rates = np.bincount(bins, forecasts.rates, BINS) / counts
    return counts, means, rates


def smoothed(values: FloatArray, window: int) -> FloatArray:
    """At each place, the mean of the last `window` values up to it (fewer at the beginning)."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(sums))
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
