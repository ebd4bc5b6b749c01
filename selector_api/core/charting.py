"""What a commit adds to the course of its run, and to what is known of how honest the predictions are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from selector_api.core.arrays import FloatArray
from selector_api.core.calibration import take_in
from selector_api.core.evidence import Evidence
from selector_api.core.posteriors.beta import BetaMarginals
from selector_api.core.state import RunState


def expected_of(
    state: RunState, evidence: Evidence, parts: Mapping[str, slice]
) -> tuple[FloatArray, FloatArray]:
    """What was expected of each outcome when it was selected, and its standard deviation, shape [outcomes] both.

    Args:
        state: before the commit.
        evidence: of the commit.
        parts: which rows of it are those of each selection; of one that has ended nothing is known any more: NaN.
    """
    expected = np.full((2, len(evidence.tasks)), np.nan)
    for selection, rows in parts.items():
        if selection in state.handed:
            handed, tasks = state.handed[selection], evidence.tasks[rows]
            order = np.argsort(handed)
            place = np.minimum(np.searchsorted(handed, tasks, sorter=order), len(handed) - 1)
            found = order[place]
            here = handed[found] == tasks
            expected[0, rows][here] = state.predicted[selection][found[here]]
            expected[1, rows][here] = state.predicted_sd[selection][found[here]]
    return expected[0], expected[1]


def chart(state: RunState, evidence: Evidence, mean: FloatArray, sd: FloatArray) -> None:
    """Note what became of a commit, which the state has taken in.

    Args:
        state: after the commit.
        evidence: of the commit.
        mean: success probability that was expected of each group when it was selected, NaN where none was.
        sd: its standard deviation.
    """
    rates = evidence.successes / evidence.trials
    domains = state.table.domain_codes[evidence.tasks].astype(np.int64)
    take_in(state.calibration, mean, rates, domains)
    known = ~np.isnan(mean)
    expected = BetaMarginals.of_moments(mean[known], sd[known])
    informative = expected.informative(evidence.trials[known].astype(np.int64))
    versions = [version for version in evidence.versions if version is not None]
    newest = state.staleness.newest or 0
    state.course.record(
        step=state.step,
        domains=domains,
        informative=int(evidence.informative.sum()),
        rates=rates,
        predicted=mean,
        never_selected=state.size - state.history.ever_selected,
        capability=state.posterior.capability(),
        predicted_informative=float(informative.sum()),
        all_failed=int((evidence.successes <= 0).sum()),
        all_passed=int((evidence.successes >= evidence.trials).sum()),
        versions=len(versions),
        behind=sum(newest - version for version in versions),
        dropped=state.dropped,
        solved=state.history.streaks.solved,
        relapsed=state.history.streaks.relapsed,
    )
    if state.course.is_histogram_due(state.step):
        state.course.record_histogram(state.step, state.difficulties())
