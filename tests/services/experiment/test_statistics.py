from math import isnan

import numpy as np
import pytest

from services.experiment.statistics import (
    Calibration,
    Estimate,
    Forecasts,
    Reach,
    Reached,
    best_so_far,
    binned,
    calibration,
    calibration_error,
    estimate,
    estimate_reach,
    smoothed,
    time_to_baseline,
    time_to_gain,
)

BASELINE = [(0, 0.2), (25, 0.3), (50, 0.28), (75, 0.4), (100, 0.36)]


@pytest.mark.parametrize(
    ("values", "half"),
    # The 97.5 % points of Student's t, from a table: 12.706, 4.303 and 2.262 with 1, 2 and 9 degrees of freedom.
    [
        ([0.0, 1.0], 12.706 * 0.5),  # sd 0.7071, over the root of 2
        ([1.0, 2.0, 3.0], 4.303 / 3**0.5),
        ([1.0] + [0.0] * 9, 2.262 * 0.1),  # sd 0.3162, over the root of 10
        ([0.3, 0.3, 0.3], 0.0),
    ],
)
def test_an_interval_is_students(values: list[float], half: float):
    told = estimate(values)
    assert told is not None
    assert told.low is not None
    assert told.high is not None
    mean = sum(values) / len(values)
    assert (told.mean, told.n) == (pytest.approx(mean), len(values))
    assert (told.low, told.high) == (
        pytest.approx(mean - half, abs=3e-4),
        pytest.approx(mean + half, abs=3e-4),
    )


def test_one_seed_has_no_interval_and_none_no_estimate():
    assert estimate([0.7]) == Estimate(mean=0.7, low=None, high=None, n=1)
    assert estimate([]) is None


@pytest.mark.parametrize(
    ("share", "steps_of_baseline"),
    # The gain is 0.4 - 0.2: half of it is 0.3, three quarters 0.35.
    [(0.5, 25), (0.75, 75), (1.0, 75)],
)
def test_the_baseline_takes_as_long_as_itself(share: float, steps_of_baseline: int):
    assert time_to_baseline(BASELINE, BASELINE, share) == Reach(1.0, reached=True)
    assert time_to_gain(BASELINE, share) == steps_of_baseline


def test_time_to_baseline_is_that_of_the_first_evaluation_with_the_accuracy_over_the_baselines():
    own = [(0, 0.2), (25, 0.31), (50, 0.4), (75, 0.3), (100, 0.41)]
    assert time_to_baseline(own, BASELINE, 0.5) == Reach(25 / 25, reached=True)
    assert time_to_baseline(own, BASELINE, 0.75) == Reach(50 / 75, reached=True)
    assert time_to_baseline(own, BASELINE, 1.0) == Reach(50 / 75, reached=True)


def test_a_target_out_of_reach_is_bounded_by_the_end_of_training():
    own = [(0, 0.2), (25, 0.2), (50, 0.36), (75, 0.3), (100, 0.3)]
    assert time_to_baseline(own, BASELINE, 0.75) == Reach(50 / 75, reached=True)
    assert time_to_baseline(own, BASELINE, 1.0) == Reach(100 / 75, reached=False)


@pytest.mark.parametrize("baseline", [[(0, 0.2), (25, 0.2)], [(0, 0.2), (25, 0.1)]])
def test_without_a_gain_of_the_baseline_there_is_no_target(baseline: list[tuple[int, float]]):
    assert time_to_baseline([(0, 0.2), (25, 0.9)], baseline, 0.5) is None
    assert time_to_gain(baseline, 0.5) is None


def test_what_was_not_reached_bounds_the_mean_from_below_and_leaves_no_interval():
    times = estimate_reach([Reach(0.5, reached=True)] * 4 + [Reach(1.0, reached=False)])
    assert times == Reached(0.6, None, None, n=5, reached=4)  # (4 · 0.5 + 1) / 5


def test_times_that_were_all_reached_have_the_interval_of_their_mean():
    times, interval = estimate_reach([Reach(0.0, reached=True), Reach(1.0, reached=True)]), estimate([0, 1])
    assert times is not None
    assert interval is not None
    assert times == Reached(0.5, interval.low, interval.high, n=2, reached=2)


def test_one_seed_that_was_not_reached_is_a_bound_without_an_interval():
    assert estimate_reach([Reach(1.5, reached=False)]) == Reached(1.5, None, None, n=1, reached=0)
    assert estimate_reach([]) is None


def test_best_so_far_compares_the_best_until_then():
    own = [(0, 0.2), (25, 0.36), (50, 0.3), (75, 0.3), (100, 0.44)]
    assert best_so_far(own, BASELINE, until=20) == 1.0
    assert best_so_far(own, BASELINE, until=25) == pytest.approx(0.36 / 0.3)
    assert best_so_far(own, BASELINE, until=99) == pytest.approx(0.36 / 0.4)
    assert best_so_far(own, BASELINE, until=100) == pytest.approx(0.44 / 0.4)
    assert best_so_far(own, [(0, 0.0), (25, 0.0)], until=25) is None


def forecasts(*rows: tuple[float, float, int]) -> Forecasts:
    means, rates, trials = np.array(rows, dtype=float).T
    return Forecasts(means, rates, trials)


def test_the_brier_score_of_forecasts_in_two_bins():
    score = calibration(forecasts((0.25, 0.0, 5), (0.25, 0.5, 5), (0.75, 1.0, 5), (0.75, 0.5, 5)))
    assert score == Calibration(
        tasks=4,
        brier=0.0625,  # each is off by 0.25
        reliability=0.0,  # the rates of the bins are 0.25 and 0.75
        resolution=0.0625,  # each bin is 0.25 from the mean rate 0.5
        uncertainty=0.125,  # (0.25 + 0 + 0.25 + 0) / 4
        sampling_noise=0.03125,  # (0 + 0.25/4 + 0 + 0.25/4) / 4
    )


def test_a_constant_wrong_forecast_has_no_resolution():
    score = calibration(forecasts((0.9, 0.0, 2), (0.9, 1.0, 2)))
    assert score is not None
    assert score.brier == pytest.approx((0.81 + 0.01) / 2)
    assert score.reliability == pytest.approx(0.16)
    assert score.resolution == pytest.approx(0.0)
    assert score.uncertainty == pytest.approx(0.25)


def test_the_decomposition_adds_up_where_forecasts_vary_within_a_bin():
    random = np.random.default_rng(3)
    means = random.random(200)
    rates = random.binomial(8, means) / 8
    score = calibration(Forecasts(means, rates, np.full(200, 8.0)))
    assert score is not None
    assert score.brier == pytest.approx(score.reliability - score.resolution + score.uncertainty)
    # Stephenson, Coelho and Jolliffe 2008: the resolution of the bins, less the variance of forecasts within them,
    # plus twice their covariance with the rates.
    bins = np.minimum((means * 10).astype(int), 9)
    resolution = within = 0.0
    for number in range(10):
        mean, rate = means[bins == number], rates[bins == number]
        resolution += len(rate) * (rate.mean() - rates.mean()) ** 2
        within += np.sum(2 * (mean - mean.mean()) * (rate - rate.mean()) - (mean - mean.mean()) ** 2)
    assert score.resolution == pytest.approx((resolution + within) / 200)


def test_one_rollout_a_task_tells_nothing_of_noise():
    score = calibration(forecasts((0.5, 1.0, 1), (0.5, 0.0, 2)))
    assert score is not None
    assert score.sampling_noise is None
    assert calibration(Forecasts(np.empty(0), np.empty(0), np.empty(0))) is None


def test_the_calibration_error_is_the_mean_gap_of_bins_by_their_tasks():
    told = forecasts((0.2, 0.0, 8), (0.25, 1.0, 8), (0.95, 0.75, 8))
    assert calibration_error(told) == pytest.approx((2 * (0.5 - 0.225) + 0.2) / 3)
    assert calibration_error(Forecasts(np.empty(0), np.empty(0), np.empty(0))) is None


def test_bins_are_tenths_and_the_last_holds_one():
    counts, means, rates = binned(forecasts((0.0, 0.1, 8), (0.05, 0.3, 8), (0.1, 0.5, 8), (1.0, 1.0, 8)))
    assert counts.tolist() == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert means[:2].tolist() == pytest.approx([0.025, 0.1])
    assert rates[[0, 1, 9]].tolist() == pytest.approx([0.2, 0.5, 1.0])
    assert isnan(means[5])
    assert isnan(rates[5])


def test_smoothing_takes_the_last_values():
    assert smoothed(np.array([1.0, 3.0, 5.0, 1.0]), 2).tolist() == [1.0, 2.0, 4.0, 3.0]
