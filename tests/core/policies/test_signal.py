"""The law of signal: against one clock for every task, on the pool of every kind of task."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from selector_api.core.arrays import IntArray
from selector_api.core.config import RunConfig
from selector_api.core.fold import fold
from selector_api.core.policies import Signal
from selector_api.core.policies.signal import LEAST_WEIGHT
from selector_api.core.posteriors.beta import BetaMarginals
from selector_api.core.posteriors.bots import Bots
from selector_api.core.select import TooFewTasks, select
from selector_api.core.state import RunState
from selector_api.core.status import RunStatus
from tests.core import laws, runs

SEED = 20_26


def dense(state: RunState, power: float, count: int, number: int) -> IntArray:
    """Batches [number, count] made by drawing every free task."""
    free = laws.free_tasks(state)
    parameters = state.posterior.of_tasks(free).parameters()
    total = parameters["alpha"] + parameters["beta"]
    weights = (4 * parameters["alpha"] * parameters["beta"] / (total * (total + 1))) ** power
    times = np.random.default_rng(SEED).exponential(size=(number, len(free))) / weights
    return free[np.argsort(times, axis=1)[:, :count]]


def test_the_signal_of_a_beta_is_its_expectation():
    marginals = BetaMarginals(np.array([1.0, 0.1, 30.0, 1e-6, 1e9]), np.array([1.0, 5.0, 12.0, 1e9, 1e9]))
    mean, sd = marginals.mean(), marginals.sd()
    expected = [2 / 3, *(4 * (mean * (1 - mean) - sd**2))[1:3], 4e-15, 1.0]
    np.testing.assert_allclose(marginals.signal(), expected, rtol=1e-8)


def test_an_informative_group_of_a_beta_is_its_expectation():
    marginals = BetaMarginals(np.array([1.0, 3.0, 1e6, 0.1]), np.array([1.0, 2.0, 1e6, 1e9]))
    # A product of m ratios each, with no logarithm of a gamma function in it.
    for rollouts in (1, 2, 8, 1000):
        place = np.arange(rollouts)[:, None]
        total = marginals.alpha + marginals.beta + place
        passed = np.exp(np.log1p(-marginals.beta / total).sum(axis=0))
        failed = np.exp(np.log1p(-marginals.alpha / total).sum(axis=0))
        np.testing.assert_allclose(marginals.informative(rollouts), 1 - passed - failed, atol=1e-8)
    assert (marginals.informative(1) >= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(("power", "batch_size"), [(1, 1), (1, 8), (2, 40), (3, 150)], ids=str)
def test_tasks_are_drawn_as_if_every_one_had_its_own_clock(power, batch_size):
    state = laws.mixed_run(Signal(power=power))
    tasks, scores = laws.selections(state, batch_size, 4_000)
    reference = dense(state, power, batch_size, 20_000)

    assert np.isin(tasks, laws.free_tasks(state)).all()  # no leased task
    assert (np.diff(np.sort(tasks, axis=1), axis=1) > 0).all()
    assert np.isnan(scores).all()
    of_class = state.classes.of_task
    values = {
        "first task": laws.same_frequencies(tasks[:, 0], reference[:, 0]),
        "last task": laws.same_frequencies(tasks[:, -1], reference[:, -1]),
        "last class": laws.same_frequencies(of_class[tasks[:, -1]], of_class[reference[:, -1]]),
        "inclusion": laws.same_inclusion(tasks, reference),
    }
    assert min(values.values()) > laws.P_VALUE, f"seeds {state.config.seed} and {SEED}: {values}"


def test_a_batch_of_all_has_every_free_task_once():
    state = laws.mixed_run(Signal())
    free = laws.free_tasks(state)
    np.testing.assert_array_equal(np.sort(select(state, len(free)).tasks), free)
    with pytest.raises(TooFewTasks, match=f"{len(free)} tasks can be drawn now"):
        select(state, len(free) + 1)


def test_equal_signals_are_drawn_uniformly():
    state = runs.started(RunConfig("pool", 3, policy=Signal(power=2)), runs.table_of(runs.plain_rows(30)))
    tasks, _ = laws.selections(state, 2, 3_000)
    for column in (0, 1):
        counts = np.bincount(tasks[:, column], minlength=30)
        assert laws.expected_frequencies(counts, np.full(30, 1 / 30)) > laws.P_VALUE


def test_withheld_tasks_and_those_that_cool_down_are_not_drawn():
    rows = runs.plain_rows(20)
    state = runs.started(RunConfig("pool", policy=Signal()), runs.table_of(rows))
    state = fold(state, {"type": "excluded", "by": "run", "tasks": ["t1", "t2"]}, state.table)
    tasks, _ = laws.selections(state, 18, 20)
    assert not np.isin(tasks, [1, 2]).any()


def test_shares_by_domain_hold_and_exploration_is_drawn_last():
    rows = [*runs.plain_rows(40, "math", "m"), *runs.plain_rows(40, "code", "c")]
    policy = Signal(domains={"math": 0.75, "code": 0.25}, exploration=0.5)
    state = runs.started(RunConfig("pool", policy=policy), runs.table_of(rows))
    tasks = select(state, 16).tasks
    assert (tasks < 40).sum() == 12
    assert len(set(tasks.tolist())) == 16


@pytest.mark.slow
def test_a_task_waits_as_long_as_its_weight_says():
    """Promise 9: a task of signal u is selected within Σu / (B·u) selections on average."""
    config = RunConfig("pool", 7, Bots(forgetting=0.0), Signal())
    state = runs.started(config, runs.table_of(runs.plain_rows(100)))
    # One is solved in 40 of 40 rollouts, one in 30 of 40; the others were never seen.
    state = runs.commit(state, {"t0": (40, 40), "t1": (30, 40)})
    signal = state.posterior.of_tasks(np.arange(100)).signal()
    assert signal[0] < 0.1 < signal[2] < signal[1]
    tasks, _ = laws.selections(state, 8, 9_000)
    for task, waits in ((0, 91), (1, 11), (2, 12)):
        assert signal.sum() / (8 * signal[task]) == pytest.approx(waits, abs=1)
        seen = len(tasks) / (tasks == task).any(axis=1).sum()
        assert seen == pytest.approx(waits, rel=0.15), f"task {task}, run seed {config.seed}"


def test_the_surely_hopeless_have_a_weight():
    state = runs.started(
        RunConfig("pool", posterior=Bots(prior=(1e-6, 1e9)), policy=Signal(power=2)),
        runs.table_of(runs.plain_rows(5)),
    )
    state = runs.commit(state, {"t0": (0, 16)})
    assert (state.posterior.of_tasks(np.arange(5)).signal() ** 2 < LEAST_WEIGHT).all()
    first = np.array([select(replace(state, selections=made), 1).tasks[0] for made in range(1_000)])
    assert laws.expected_frequencies(np.bincount(first, minlength=5), np.full(5, 0.2)) > laws.P_VALUE


@pytest.mark.parametrize(("forgetting", "said"), [(0.1, 1), (0.01, 0)])
def test_a_run_says_that_its_posterior_forgets_too_much_for_it(forgetting, said):
    config = RunConfig("pool", posterior=Bots(forgetting=forgetting), policy=Signal())
    state = runs.started(config, runs.table_of(runs.plain_rows(5)))
    warnings = RunStatus.of("run", state).warnings
    assert len(warnings) == said
    assert all(text.startswith("posterior.forgetting: ") for text in warnings)
