"""Selection draws in the law of drawing every task by itself.

20,000 selections of each kind of plain Thompson sampling, and 6,000 of the others, from one state are compared
with the batches of a dense implementation. All p-values must be above `laws.P_VALUE` with the seeds given here.
"""

from __future__ import annotations

import numpy as np
import pytest

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.policies import PosteriorMean, Thompson, thompson
from selector_api.core.state import RunState
from tests.core import laws

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # minutes on a busy machine
    pytest.mark.no_cover,  # which would double them
]

THOMPSON_SELECTIONS = 20_000
SELECTIONS = 6_000
DENSE = 24_000
SEED = 20_26


def assert_one_law(
    state: RunState, tasks: IntArray, scores: FloatArray, dense_tasks: IntArray, dense_scores: FloatArray
) -> None:
    of_class = state.classes.of_task
    values = {
        # Selections are independent of each other, the tasks of one batch are not: so one task of each.
        "frequency of the first task": laws.same_frequencies(tasks[:, 0], dense_tasks[:, 0]),
        "frequency of the last task": laws.same_frequencies(tasks[:, -1], dense_tasks[:, -1]),
        "frequency of the last class": laws.same_frequencies(
            of_class[tasks[:, -1]], of_class[dense_tasks[:, -1]]
        ),
        "inclusion": laws.same_inclusion(tasks, dense_tasks),
        "value of the first": laws.same_distribution(scores[:, 0], dense_scores[:, 0]),
        "value of the last": laws.same_distribution(scores[:, -1], dense_scores[:, -1]),
    }
    too_small = {name: value for name, value in values.items() if not value > laws.P_VALUE}
    assert not too_small, (
        f"p-values below {laws.P_VALUE} with seeds {state.config.seed} and {SEED}: {too_small}"
    )


def assert_batches_are_fair(state: RunState, tasks: IntArray) -> None:
    assert np.isin(tasks, laws.free_tasks(state)).all()
    assert (np.diff(np.sort(tasks, axis=1), axis=1) > 0).all()


@pytest.mark.parametrize(
    ("target", "batch_size"),
    [(0.0, 3), (0.3, 1), (0.5, 8), (1.0, 3), (0.5, 147)],
    ids=str,
)
def test_thompson_draws_as_if_every_task_were_drawn(target, batch_size):
    state = laws.mixed_run(Thompson(target=target))
    free = laws.free_tasks(state)
    assert (state.classes.sizes > thompson.SMALL_CLASS).sum() == 2
    assert (state.classes.sizes == 1).sum() == 2
    assert len(state.posterior.individuals()) > 4
    assert len(free) > 147

    tasks, scores = laws.selections(state, batch_size, THOMPSON_SELECTIONS)

    assert_batches_are_fair(state, tasks)
    distances = np.abs(scores - target)
    assert (np.diff(distances, axis=1) >= 0).all()
    draws = laws.dense_draws(state, free, DENSE, SEED)
    assert_one_law(state, tasks, scores, *laws.nearest(free, draws, target, batch_size))


def test_thompson_with_temperature_draws_by_softmax_of_the_draws():
    temperature = 0.05
    state = laws.mixed_run(Thompson(target=0.4, temperature=temperature))
    free = laws.free_tasks(state)

    tasks, scores = laws.selections(state, 2, SELECTIONS)

    assert_batches_are_fair(state, tasks)
    # One after the other by their weights, the first one's taken away.
    rng = np.random.default_rng(SEED)
    draws = laws.dense_draws(state, free, SELECTIONS, SEED + 1)
    weights = np.exp(-np.abs(draws - 0.4) / temperature)
    rows = np.arange(SELECTIONS)
    chosen = []
    for _ in range(2):
        ends = np.cumsum(weights, axis=1)
        chosen.append((ends < rng.random((SELECTIONS, 1)) * ends[:, -1:]).sum(axis=1))
        weights[rows, chosen[-1]] = 0.0
    order = np.column_stack(chosen)
    assert_one_law(state, tasks, scores, free[order], np.take_along_axis(draws, order, axis=1))


def test_exploration_draws_uniformly_first_and_by_the_policy_from_the_rest():
    state = laws.mixed_run(Thompson(target=0.2, exploration=0.3))
    free = laws.free_tasks(state)
    batch_size = 4  # 1.2 explored on average: one, or two in a fifth of all batches

    tasks, scores = laws.selections(state, batch_size, SELECTIONS // 2)

    assert_batches_are_fair(state, tasks)
    explored = np.isnan(scores)
    assert (np.diff(explored, axis=1) >= 0).all()  # the explored ones stand last
    rng = np.random.default_rng(SEED)
    number = 1 + (rng.random(DENSE) < 0.2)
    assert laws.same_frequencies(explored.sum(axis=1), number) > laws.P_VALUE
    draws = laws.dense_draws(state, free, DENSE, SEED + 2)
    first = rng.integers(len(free), size=DENSE)
    second = (first + rng.integers(1, len(free), size=DENSE)) % len(free)
    draws[np.arange(DENSE), first] = np.inf
    draws[number == 2, second[number == 2]] = np.inf
    dense_tasks, dense_scores = laws.nearest(free, draws, 0.2, 3)
    dense_last = np.column_stack([dense_tasks, free[first]])
    dense_last[number == 2, 2] = free[second[number == 2]]
    assert_one_law(state, tasks[:, :2], scores[:, :2], dense_tasks[:, :2], dense_scores[:, :2])
    assert laws.same_inclusion(tasks, dense_last) > laws.P_VALUE
    assert laws.same_frequencies(tasks[:, -1], dense_last[:, -1]) > laws.P_VALUE


def test_posterior_mean_with_temperature_draws_pairs_with_their_exact_probabilities():
    temperature = 0.1
    state = laws.mixed_run(PosteriorMean(target=0.6, temperature=temperature))
    free = laws.free_tasks(state)
    means = state.posterior.of_tasks(free).mean()

    tasks, scores = laws.selections(state, 2, SELECTIONS)

    np.testing.assert_array_equal(
        scores, state.posterior.of_tasks(tasks.ravel()).mean().reshape(scores.shape)
    )
    weights = np.exp(-np.abs(means - 0.6) / temperature)
    weights /= weights.sum()
    followed = weights[:, None] * weights[None, :] / (1.0 - weights[:, None])
    np.fill_diagonal(followed, 0.0)
    for column, probabilities in ((0, weights), (1, followed.sum(axis=0))):
        counts = np.bincount(tasks[:, column], minlength=state.size)[free]
        assert laws.expected_frequencies(counts, probabilities) > laws.P_VALUE
