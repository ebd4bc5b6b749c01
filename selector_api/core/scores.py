"""How good predictions were: scores of a replay, of all its groups, by step and by domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selector_api.core.arrays import BoolArray, FloatArray, IntArray
from selector_api.core.calibration import CalibrationBin, bins_of, error_of
from selector_api.core.replay import Forecast, Replay

STRETCHES = 10
"""Equal parts of a log's steps."""
FEWEST_GROUPS = 5
"""A task with fewer of them has no smoothed pass rate."""
_POINTS = 100
"""Moments of a log at which pass rates are smoothed."""
_WIDTH = 5.0
"""Standard deviation of the smoothing, in such points."""
_TASKS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Seen:
    """The groups of one log or of several, one a row, as predictions are judged by them."""

    rates: FloatArray
    """Pass rates."""
    smoothed: FloatArray
    """See `smoothed_rates`."""
    stretch: IntArray
    """In which tenth of its log's steps each group was committed, from 0."""
    domain: IntArray
    """Positions in `domains`."""
    domains: tuple[str, ...]

    @classmethod
    def of(cls, replay: Replay, domains: Sequence[str]) -> Seen:
        """The groups of a log, with the names of its domains by code."""
        groups = replay.groups
        stretch = (groups.step - 1) * STRETCHES // max(replay.commits, 1)
        return cls(groups.rates, smoothed_rates(replay), stretch, groups.domain, tuple(domains))

    @classmethod
    def joined(cls, parts: Sequence[Seen]) -> Seen:
        """The groups of several logs; domains of one name are one."""
        domains = tuple(dict.fromkeys(name for part in parts for name in part.domains))
        place = {name: number for number, name in enumerate(domains)}
        codes = [np.array([place[name] for name in part.domains], np.int64)[part.domain] for part in parts]
        return cls(
            np.concatenate([part.rates for part in parts]),
            np.concatenate([part.smoothed for part in parts]),
            np.concatenate([part.stretch for part in parts]),
            np.concatenate(codes),
            domains,
        )


@dataclass(frozen=True)
class Scores:
    """How well some groups were predicted. Smaller is better; None: there is no such group."""

    groups: int
    log_loss: float | None
    """Mean of −log of the probability that was given to a group's successes, in nats"""
    brier: float | None
    """Mean squared difference of the expected and the seen pass rate"""
    calibration_error: float | None
    """By tenths of the expected pass rate: how far its mean is off the seen one's, averaged over the groups"""
    mae: float | None
    """Mean absolute difference of the expected pass rate and the task's smoothed one, of groups that have one"""

    @classmethod
    def of(cls, forecast: Forecast, seen: Seen, rows: BoolArray) -> Scores:
        """Those of some of the groups."""
        mean, rates, known = forecast.mean[rows], seen.rates[rows], rows & ~np.isnan(seen.smoothed)
        return cls(
            groups=len(mean),
            log_loss=_mean(-forecast.log_probability[rows]),
            brier=_mean((mean - rates) ** 2),
            calibration_error=error_of(bins_of(mean, rates)),
            mae=_mean(np.abs(forecast.mean[known] - seen.smoothed[known])),
        )


@dataclass(frozen=True)
class Verdict:
    """All scores of one posterior."""

    all: Scores
    bins: list[CalibrationBin]
    """By tenths of the expected pass rate, without empty ones."""
    by_stretch: list[Scores]
    """Of each tenth of the steps."""
    by_domain: dict[str, Scores]
    """Of the domains that have groups."""

    @classmethod
    def of(cls, forecast: Forecast, seen: Seen) -> Verdict:
        """Those of what a posterior expected of these groups."""
        return cls(
            Scores.of(forecast, seen, np.ones(len(seen.rates), np.bool_)),
            bins_of(forecast.mean, seen.rates),
            [Scores.of(forecast, seen, seen.stretch == number) for number in range(STRETCHES)],
            {
                seen.domains[code]: Scores.of(forecast, seen, seen.domain == code)
                for code in np.unique(seen.domain).tolist()
            },
        )


def smoothed_rates(replay: Replay) -> FloatArray:
    """About where each group's task stood then: its pass rate over its groups before, in and after that commit.

    They are weighted by trials and by a Gaussian over steps, whose standard deviation is a twentieth of the log.
    Shape [groups], NaN for tasks with fewer than five groups.
    """
    groups = replay.groups
    smoothed = np.full(len(groups), np.nan)
    point = (groups.step - 1) * _POINTS // max(replay.commits, 1)
    order = np.argsort(groups.task, kind="stable")
    starts = np.flatnonzero(np.diff(groups.task[order], prepend=-1))
    counts = np.diff(starts, append=len(order))
    # Of often reported tasks alone; so many at once that the work fits into memory.
    row_of_group = np.full(len(groups), -1)
    often = counts >= FEWEST_GROUPS
    row_of_group[order] = np.repeat(np.where(often, np.cumsum(often) - 1, -1), counts)
    for first in range(0, int(often.sum()), _TASKS_AT_ONCE):
        (here,) = np.nonzero((first <= row_of_group) & (row_of_group < first + _TASKS_AT_ONCE))
        cell = (row_of_group[here] - first) * _POINTS + point[here]
        passed, tried = (
            _smooth(np.bincount(cell, column[here], _TASKS_AT_ONCE * _POINTS).astype(np.float64))
            for column in (groups.successes, groups.trials)
        )
        smoothed[here] = passed[cell] / tried[cell]
    return smoothed


def _smooth(cells: FloatArray) -> FloatArray:
    """Cells, of one task after another, each as the weighted sum of all cells of its task."""
    points = np.arange(_POINTS)
    weights = np.exp(-0.5 * ((points[:, None] - points) / _WIDTH) ** 2)
    return (cells.reshape(-1, _POINTS) @ weights).ravel()


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if len(values) else None
