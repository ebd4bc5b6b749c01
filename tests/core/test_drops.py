"""Promise 8: a broken task cannot take over, whatever the policy, and the healthy ones go on as before."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from selector_api.core.config import RunConfig
from selector_api.core.fold import fold
from selector_api.core.policies import (
    EasyToHard,
    Policy,
    PosteriorMean,
    Random,
    Sequential,
    Shuffle,
    Signal,
    Thompson,
)
from selector_api.core.select import TooFewTasks, plan, select
from selector_api.core.state import RunState
from selector_api.core.tallies import MAX_COOLDOWN
from tests.core import runs

POLICIES: list[Policy] = [
    Thompson(),
    Thompson(exploration=0.2),
    Thompson(temperature=0.05),
    PosteriorMean(),
    Signal(),
    Random(),
    Sequential(),
    Shuffle(),
    EasyToHard(),
]
STEPS = 200


def step(
    state: RunState, name: str, tasks: list[str], broken: set[str], rng: np.random.Generator
) -> RunState:
    """Select these tasks, report the healthy ones, and drop the broken ones."""
    state = fold(state, runs.selected(name, tasks), state.table)
    drops = [[place, "broken"] for place, task in enumerate(tasks) if task in broken]
    rows = [[place, int(rng.integers(9)), 8] for place, task in enumerate(tasks) if task not in broken]
    if drops:
        state = fold(state, {"type": "dropped", "selection": name, "drops": drops}, state.table)
    if not rows:
        return fold(
            state, {"type": "released", "selection": name, "reason": "dropped", "entered": 0}, state.table
        )
    commit = {"type": "committed", "selection": name, "reason": "complete", "closes": [name]}
    return fold(state, commit | {"outcomes": {name: rows}}, state.table)


@pytest.mark.parametrize(
    ("pool", "batch"),
    [pytest.param(400, 64, marks=pytest.mark.slow), pytest.param(300, 48, marks=pytest.mark.slow), (60, 8)],
)
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_broken_tasks_get_at_most_2_per_cent_of_the_second_hundred_steps(
    policy: Policy, pool: int, batch: int
) -> None:
    table = runs.table_of([(f"t{number}", "m", {"weak": number % 9 / 8}) for number in range(pool)])
    rng = np.random.default_rng(1)
    broken = {f"t{number}" for number in rng.choice(pool, pool // 10, replace=False).tolist()}
    state = runs.started(RunConfig("p", policy=policy), table)
    drawn: Counter[str] = Counter()
    for number in range(STEPS):
        tasks = table.ids(select(state, batch).tasks)
        assert len(set(tasks)) == batch
        if number >= STEPS // 2:
            drawn.update(tasks)
        state = step(state, f"s{number}", tasks, broken, rng)
    assert sum(drawn[task] for task in broken) <= 0.02 * batch * STEPS // 2
    # Healthy tasks are not starved by it: all that the others do not get is theirs.
    if not isinstance(policy, Thompson | PosteriorMean):
        assert min(drawn[task] for task in set(table.ids(np.arange(pool))) - broken) > 0


def test_a_task_rests_twice_as_long_after_each_drop_in_a_row_until_it_is_reported() -> None:
    table = runs.table_of(runs.plain_rows(4))
    state = runs.started(RunConfig("p", policy=Sequential()), table)
    rng = np.random.default_rng(1)
    rests: list[int] = []
    for number in range(12):
        state = step(state, f"a{number}", ["t0"], {"t0"}, rng)
        before = state.step
        while 0 in state.history.tallies.cooling(state.step):
            state = step(state, f"b{number}-{state.step}", ["t1"], set(), rng)
        rests.append(state.step - before)
    assert rests == [2**times for times in range(11)] + [MAX_COOLDOWN]
    state = step(state, "reported", ["t0"], set(), rng)
    state = step(state, "once more", ["t0"], {"t0"}, rng)
    state = step(state, "a commit", ["t1"], set(), rng)
    assert len(state.history.tallies.cooling(state.step)) == 0
    assert state.history.tallies.of_tasks(np.array([0]))[2].tolist() == [13]
    assert state.dropped == 13


def test_tasks_that_rest_are_drawn_where_the_others_are_too_few() -> None:
    table = runs.table_of(runs.plain_rows(5))
    state = runs.started(RunConfig("p", policy=Random()), table)
    state = step(state, "s", ["t0", "t1"], {"t0", "t1"}, np.random.default_rng(1))
    assert set(select(state, 3).tasks.tolist()) == {2, 3, 4}
    assert set(select(state, 4).tasks.tolist()[:3]) == {2, 3, 4}
    assert set(select(state, 5).tasks.tolist()) == set(range(5))
    with pytest.raises(TooFewTasks):
        select(state, 6)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_where_all_tasks_rest_all_can_be_drawn(policy: Policy) -> None:
    table = runs.table_of([(f"t{number}", "m", {"weak": number / 8}) for number in range(5)])
    state = runs.started(RunConfig("p", policy=policy), table)
    names = table.ids(np.arange(5))
    state = step(state, "s", names, set(names), np.random.default_rng(1))
    assert len(set(select(state, 3).tasks.tolist())) == 3
    assert set(select(state, 5).tasks.tolist()) == set(range(5))
    assert len(plan(state, 1.0, 8).tasks) == 2
