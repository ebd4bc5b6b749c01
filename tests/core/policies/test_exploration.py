from __future__ import annotations

import numpy as np
import pytest

from selector_api.core.candidates import Candidates, Choice
from selector_api.core.policies import PosteriorMean
from selector_api.core.policies.exploration import explored
from selector_api.core.select import select
from tests.core import laws


def first(candidates: Candidates, count: int) -> Choice:
    """A policy that takes tasks in pool order."""
    tasks = candidates.tasks()[:count]
    return Choice(tasks, np.zeros(count))


def explored_numbers(share: float, count: int, repeats: int = 1500) -> np.ndarray:
    candidates = Candidates.of(laws.mixed_run(PosteriorMean()))
    rng = np.random.default_rng(1)
    choices = [explored(share, candidates, count, rng, first) for _ in range(repeats)]
    assert all(len(set(choice.tasks.tolist())) == count for choice in choices)
    return np.array([np.isnan(choice.scores).sum() for choice in choices])


@pytest.mark.parametrize(("share", "count", "number"), [(0.0, 5, 0), (0.25, 8, 2), (1.0, 5, 5), (0.3, 10, 3)])
def test_whole_numbers_of_explored_tasks_are_exact(share, count, number):
    assert (explored_numbers(share, count, 50) == number).all()


def test_fractions_of_a_task_are_met_on_average():
    numbers = explored_numbers(0.1, 4)
    assert set(numbers.tolist()) == {0, 1}
    assert abs(numbers.mean() - 0.4) < 4 * np.sqrt(0.4 * 0.6 / len(numbers))


def test_a_task_that_the_policy_would_never_take_is_tried():
    state = laws.mixed_run(PosteriorMean(target=1.0, exploration=1.0))
    tasks, _ = laws.selections(state, 10, 200)
    assert np.isin(laws.free_tasks(state), tasks).all()


def test_the_policy_fills_the_rest_of_the_batch():
    state = laws.mixed_run(PosteriorMean(target=0.5, exploration=0.5))
    greedy = laws.mixed_run(PosteriorMean(target=0.5))
    choice = select(state, 2)
    explored_task = choice.tasks[1]
    assert np.isnan(choice.scores[1])
    best = select(greedy, 2)
    assert choice.tasks[0] in best.tasks[best.tasks != explored_task]
