"""The law of Thompson selection is in tests/core/test_law.py; here is what else holds of it."""

from __future__ import annotations

import numpy as np
import pytest

from selector_api.core.config import RunConfig
from selector_api.core.policies import Thompson, thompson
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.core.select import select
from selector_api.core.state import RunState
from tests.core import laws, runs


def continuous_run(policy: Thompson, tasks: int = 300) -> RunState:
    """Every task is alone in its class, weak rate near 0, strong rate rising with the task's index."""
    rows = [
        (f"t{number}", "default", {"weak": number * 1e-6, "strong": number / (tasks - 1)})
        for number in range(tasks)
    ]
    config = RunConfig("pool", 5, Bots(implicit=Interpolation("weak", "strong")), policy)
    return runs.started(config, runs.table_of(rows))


def test_tasks_come_nearest_first_with_their_draws():
    choice = select(laws.mixed_run(Thompson(target=0.3)), 20)
    assert (np.diff(np.abs(choice.scores - 0.3)) >= 0).all()
    assert ((choice.scores >= 0) & (choice.scores <= 1)).all()


def test_the_posterior_is_followed():
    state = continuous_run(Thompson(target=0.5))
    for number in range(20):
        strong = {f"t{task}": (16 * task / 299, 16) for task in range(0, 300, 10)}
        state = runs.commit(state, strong, f"s{number}")
    rates = select(state, 50).tasks / 299
    assert abs(np.mean(rates) - 0.5) < 0.1


@pytest.mark.parametrize(
    ("size", "count"), [(5, 6), (5, 5), (1000, 1), (1000, 125), (1000, 999), (1000, 1000)]
)
def test_the_distance_that_a_batch_reaches_is_that_of_its_last_draw(size: int, count: int):
    distances = np.random.default_rng(size + count).integers(0, 300, size) / 300
    expected = np.inf if count > size else np.sort(distances)[count - 1]
    assert thompson._distance_of(distances, count) == expected


@pytest.mark.slow
def test_classes_of_one_task_each_are_drawn_in_the_same_law():
    state = continuous_run(Thompson(target=0.4), tasks=40)
    state = runs.commit(state, {"t3": (0, 16), "t20": (8, 16), "t36": (15, 16)})
    free = laws.free_tasks(state)
    tasks, scores = laws.selections(state, 3, 2500)
    dense_tasks, dense_scores = laws.nearest(free, laws.dense_draws(state, free, 20_000, 9), 0.4, 3)
    assert laws.same_frequencies(tasks[:, 0], dense_tasks[:, 0]) > laws.P_VALUE
    assert laws.same_inclusion(tasks, dense_tasks) > laws.P_VALUE
    assert laws.same_distribution(scores[:, 2], dense_scores[:, 2]) > laws.P_VALUE


@pytest.mark.slow
@pytest.mark.parametrize("small", [0, 10**9], ids=["all by class", "all one by one"])
def test_the_law_does_not_hang_on_which_classes_are_small(monkeypatch, small):
    state = laws.mixed_run(Thompson(target=0.7))
    free = laws.free_tasks(state)
    monkeypatch.setattr(thompson, "SMALL_CLASS", small)
    tasks, scores = laws.selections(state, 5, 2500)
    dense_tasks, dense_scores = laws.nearest(free, laws.dense_draws(state, free, 20_000, 8), 0.7, 5)
    assert laws.same_frequencies(tasks[:, 0], dense_tasks[:, 0]) > laws.P_VALUE
    assert laws.same_inclusion(tasks, dense_tasks) > laws.P_VALUE
    assert laws.same_distribution(scores[:, 4], dense_scores[:, 4]) > laws.P_VALUE


def test_nearly_no_temperature_is_no_temperature():
    state = laws.mixed_run(Thompson(target=0.5, temperature=1e-9))
    choice = select(state, 10)
    assert (np.diff(np.abs(choice.scores - 0.5)) > -1e-7).all()


def test_equal_draws_are_taken_in_random_order():
    # With forgetting 1 and this prior, draws below the least positive float are all 0: thousands of them.
    config = RunConfig("pool", posterior=Bots(prior=(1e-4, 1.0)), policy=Thompson(target=0.0))
    state = runs.started(config, runs.table_of(runs.plain_rows(40)))
    tasks, scores = laws.selections(state, 1, 1500)
    assert (scores == 0).mean() > 0.9
    assert (
        laws.expected_frequencies(np.bincount(tasks[:, 0], minlength=40), np.full(40, 1 / 40)) > laws.P_VALUE
    )
