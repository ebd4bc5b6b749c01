from __future__ import annotations

import numpy as np

from selector_api.core.config import RunConfig
from selector_api.core.fold import fold
from selector_api.core.policies import PosteriorMean
from selector_api.core.posteriors.bots import Bots
from selector_api.core.select import select
from selector_api.core.state import RunState
from tests.core import laws, runs


def reported_run(policy: PosteriorMean, tasks: int, outcomes: dict[str, float]) -> RunState:
    """`tasks` tasks at the prior, but for those reported: their mean is as in `outcomes`."""
    config = RunConfig("pool", 2, Bots(prior=(1e-9, 1e-9), forgetting=0.0), policy=policy)
    state = runs.started(config, runs.table_of(runs.plain_rows(tasks)))
    return runs.commit(state, {task: (100 * rate, 100) for task, rate in outcomes.items()})


def ids(state: RunState, batch_size: int) -> list[str]:
    return state.table.ids(select(state, batch_size).tasks)


def test_the_nearest_means_come_first_with_their_means():
    state = reported_run(PosteriorMean(target=0.6), 4, {"t0": 0.1, "t1": 0.9, "t2": 0.55, "t3": 0.64})
    assert ids(state, 4) == ["t3", "t2", "t1", "t0"]
    np.testing.assert_allclose(select(state, 3).scores, [0.64, 0.55, 0.9])


def test_classes_and_individuals_are_compared():
    state = reported_run(PosteriorMean(target=0.45), 30, {"t7": 0.42, "t8": 0.3})
    assert ids(state, 1) == ["t7"]
    assert ids(state, 30)[-1] == "t8"  # all others stand at 0.5


def test_leased_tasks_are_passed_over():
    state = reported_run(PosteriorMean(target=0.5), 3, {"t0": 0.5, "t1": 0.4, "t2": 0.9})
    state = fold(state, runs.selected("open", ["t0"]), state.table)
    assert ids(state, 2) == ["t1", "t2"]


def test_where_the_batch_ends_within_a_class_its_tasks_are_alike():
    state = reported_run(PosteriorMean(target=0.45), 20, {"t7": 0.42, "t8": 0.3})
    tasks, _ = laws.selections(state, 6, 1500)
    counts = np.bincount(tasks.ravel(), minlength=20)
    assert counts[7] == 1500
    assert counts[8] == 0
    background = np.delete(np.arange(20), [7, 8])
    for position in (1, 5):
        counts = np.bincount(tasks[:, position], minlength=20)[background]
        assert laws.expected_frequencies(counts, np.full(18, 1 / 18)) > laws.P_VALUE


def test_equal_distances_on_both_sides_are_alike_over_tasks_not_over_classes():
    # Six tasks of a class at 0.3 and a single one at 0.7: as far from 0.5, but not so as floats.
    posterior = Bots(prior=(3.0, 7.0), forgetting=0.0)
    config = RunConfig("pool", posterior=posterior, policy=PosteriorMean(target=0.5))
    state = runs.started(config, runs.table_of(runs.plain_rows(7)))
    state = runs.commit(state, {"t4": (14, 15)})  # (3 + 14) / (10 + 15) = 0.68
    state = runs.commit(state, {"t4": (4, 5)})  # (17 + 4) / (25 + 5) = 0.7
    means = state.posterior.of_tasks(np.arange(7)).mean()
    np.testing.assert_allclose(means, [0.3] * 4 + [0.7] + [0.3] * 2)
    tasks, _ = laws.selections(state, 1, 2000)
    assert laws.expected_frequencies(np.bincount(tasks[:, 0], minlength=7), np.full(7, 1 / 7)) > laws.P_VALUE
