"""Planned batches: as small as promises so many informative groups, in the policy's order."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from selector_api.core import select as selection
from selector_api.core import snapshot
from selector_api.core.candidates import Choice
from selector_api.core.config import RunConfig
from selector_api.core.fold import fold
from selector_api.core.policies import EasyToHard, PosteriorMean, Random, Sequential, Signal, Thompson
from selector_api.core.posteriors.bots import Bots
from selector_api.core.select import TooFewInformative, foretold, plan, select
from selector_api.core.state import RunState
from tests.core import laws, runs
from tests.core.test_drops import step
from tests.core.test_select import POLICIES, domain_counts, lease, three_domains

every_policy = pytest.mark.parametrize("policy", POLICIES, ids=repr)


def promise(state: RunState, choice: Choice, rollouts: int = 16) -> float:
    return float(state.posterior.of_tasks(choice.tasks).informative(rollouts).sum())


@every_policy
@pytest.mark.parametrize("informative", [0.5, 6, 60.0])
def test_a_plan_is_the_smallest_batch_of_free_tasks_that_is_enough(policy, informative):
    state = laws.mixed_run(policy)
    choice = plan(state, informative, 8)
    assert np.isin(choice.tasks, laws.free_tasks(state)).all()
    assert len(set(choice.tasks.tolist())) == len(choice.tasks) == len(choice.scores)
    assert promise(state, choice, 8) >= informative
    assert promise(state, choice.first(len(choice.tasks) - 1), 8) < informative


@every_policy
def test_a_plan_is_pure_and_replayable(policy):
    state = laws.mixed_run(policy)
    before = copy.deepcopy(snapshot.taken(state))
    choice = plan(state, 30)
    np.testing.assert_array_equal(plan(state, 30).tasks, choice.tasks)
    assert repr(snapshot.taken(state)) == repr(before)
    other = plan(replace(state, selections=9), 30)
    assert isinstance(policy, Sequential | EasyToHard) or other.tasks.tolist() != choice.tasks.tolist()


def test_a_plan_is_the_smallest_also_where_a_smaller_batch_has_more_of_a_domain():
    rows = [row for name in ("math", "code", "logic") for row in runs.plain_rows(20, name, name)]
    policy = Random(domains={"math": 6 / 14, "code": 6 / 14, "logic": 2 / 14})
    state = runs.started(RunConfig("p", policy=policy), runs.table_of(rows))
    choice = plan(state, 5.0, 3)  # each group is informative with a probability of a half
    assert domain_counts(state, choice) == {"math": 4, "code": 4, "logic": 2}  # of 11 tasks 5, 5 and 1


@pytest.mark.parametrize("policy", [Sequential(), EasyToHard()], ids=repr)
def test_a_policy_that_goes_in_order_gives_the_batch_that_it_would_give_of_that_size(policy):
    state = laws.mixed_run(policy)
    choice = plan(state, 10)
    np.testing.assert_array_equal(choice.tasks, select(state, len(choice.tasks)).tasks)


@pytest.mark.slow
@pytest.mark.parametrize(
    "policy",
    [
        Thompson(target=0.3),
        Thompson(temperature=0.1),
        PosteriorMean(temperature=0.1),
        Signal(),
        Signal(power=2),
    ],
    ids=repr,
)
def test_the_beginning_of_a_plan_has_the_law_of_a_batch(policy):
    """Every plan for 12 informative groups has 12 tasks or more: of those the first 12 are compared."""
    state = laws.mixed_run(policy)
    planned = np.array([plan(replace(state, selections=made), 12).tasks[:12] for made in range(2_500)])
    drawn, _ = laws.selections(replace(state, config=replace(state.config, seed=77)), 12, 2_500)
    values = {
        "first": laws.same_frequencies(planned[:, 0], drawn[:, 0]),
        "last": laws.same_frequencies(planned[:, -1], drawn[:, -1]),
        "inclusion": laws.same_inclusion(planned, drawn),
    }
    assert min(values.values()) > laws.P_VALUE, f"seeds {state.config.seed} and 77: {values}"


@pytest.mark.parametrize("policy", [PosteriorMean(exploration=0.3), Signal(exploration=0.3)], ids=repr)
def test_what_is_explored_is_spread_evenly_over_the_order(policy):
    state = laws.mixed_run(replace(policy, domains=None))
    candidates = selection.Candidates.of(state)
    for seed in range(20):
        choice = policy.order(candidates, 40, np.random.default_rng(seed))
        assert len(set(choice.tasks.tolist())) == 40
        if isinstance(policy, PosteriorMean):
            explored = np.isnan(choice.scores).cumsum()
            assert (np.abs(explored - 0.3 * np.arange(1, 41)) < 1).all()


def test_everything_may_be_explored():
    state = laws.mixed_run(Thompson(exploration=1.0))
    choice = plan(state, 20)
    assert np.isnan(choice.scores).all()
    assert len(set(choice.tasks.tolist())) == len(choice.tasks)


def test_shares_by_domain_hold_for_a_plan():
    state = three_domains(Signal())
    choice = plan(state, 17.5)
    # The prior promises 15/17 of a group each: 20 tasks, ten, six and four.
    assert len(choice.tasks) == 20
    assert domain_counts(state, choice) == {"math": 10, "code": 6, "logic": 4}
    state = lease(state, choice, "s1")
    assert domain_counts(state, plan(state, 8.8)) == {"math": 5, "code": 3, "logic": 2}


def test_equal_promises_need_no_task_more_for_the_last_bit_of_a_sum():
    state = runs.started(RunConfig("pool", policy=Sequential()), runs.table_of(runs.plain_rows(100)))
    assert len(plan(state, 15).tasks) == 17  # of 15/17 each
    assert len(plan(state, 15.001).tasks) == 18


def test_a_second_plan_tops_the_first_one_up():
    state = laws.mixed_run(Signal())
    first = plan(state, 20)
    after = lease(state, first, "step-7.0")
    second = plan(after, 5)
    assert not set(first.tasks.tolist()) & set(second.tasks.tolist())


def test_rollouts_are_the_posterior_s_unless_they_are_told():
    config = RunConfig("pool", posterior=Bots(rollouts=4), policy=Sequential())
    state = runs.started(config, runs.table_of(runs.plain_rows(100)))
    of_4, of_8 = 1 - 2 / 5, 1 - 2 / 9
    assert [len(plan(state, 30, rollouts).tasks) for rollouts in (None, 4, 8)] == [50, 50, 39]
    choice = select(state, 10)
    assert foretold(state, choice) == {"predicted": {"mean": 0.5, "informative": pytest.approx(10 * of_4)}}
    told = foretold(state, choice, explain=True)
    assert told["predicted"] == foretold(state, choice)["predicted"]
    assert told["explain"]["informative"] == pytest.approx([of_4] * 10)
    told = foretold(state, choice, 8, explain=True)
    assert told["predicted"]["informative"] == pytest.approx(10 * of_8, rel=1e-6)
    assert told["explain"]["informative"] == pytest.approx([of_8] * 10, rel=1e-6)


def test_tasks_that_cool_down_come_last():
    state = runs.started(RunConfig("pool", policy=Sequential()), runs.table_of(runs.plain_rows(20)))
    for number in range(3):  # dropped three times in a row, t0 rests for four commits
        state = step(state, f"s{number}", ["t0", "t1"], {"t0"}, np.random.default_rng(number))
    assert 0 not in plan(state, 16).tasks
    everything = plan(state, promise(state, Choice.unscored(np.arange(20))) - 0.01)
    assert everything.tasks[-1] == 0


def test_a_pool_that_cannot_give_it_says_how_much_it_promises():
    state = three_domains(Thompson())
    with pytest.raises(TooFewInformative) as caught:
        plan(state, 40)
    error = caught.value
    # A third domain of 20 tasks is due half of each batch: 40 tasks, of 15/17 each.
    assert error.available == 40
    assert error.informative == pytest.approx(40 * 15 / 17)
    assert error.detail == (
        "informative: 40 tasks, the largest batch that can be drawn now, promise 35.294 informative groups of 16 "
        "rollouts; ask for fewer, or report first (the domain 'math', from which 21 are due, has 20 tasks: 20 can "
        "be drawn)"
    )
    assert [shortage.domain for shortage in error.shortages] == ["math"]


def test_without_a_free_task_nothing_is_promised():
    state = runs.started(RunConfig("pool"), runs.table_of(runs.plain_rows(2)))
    state = lease(state, select(state, 2), "all")
    with pytest.raises(
        TooFewInformative,
        match=r"0 tasks, the largest batch that can be drawn now, promise 0\.0 informative groups",
    ):
        plan(state, 1)


def test_one_rollout_is_never_informative():
    state = laws.mixed_run(Signal())
    with pytest.raises(TooFewInformative, match=r"rollouts: .*; send 2 or more"):
        plan(state, 0.5, 1)


def test_a_plan_is_no_larger_than_a_batch_may_be(monkeypatch):
    monkeypatch.setattr(selection, "MAX_BATCH", 30)
    state = laws.mixed_run(Signal())
    with pytest.raises(TooFewInformative, match="30 tasks, the largest batch there is, promise") as caught:
        plan(state, 31)
    assert caught.value.available == 30
    assert caught.value.shortages == []


def test_a_batch_that_the_shares_cannot_give_is_passed_over():
    # By largest remainders 5 tasks are 2, 2 and 1, and 6 are 3, 3 and none: "c" has none to give.
    rows = [*runs.plain_rows(3, "a", "a"), *runs.plain_rows(3, "b", "b"), *runs.plain_rows(1, "c", "c")]
    policy = Signal(domains={"a": 6 / 13, "b": 6 / 13, "c": 1 / 13})
    state = runs.started(RunConfig("pool", policy=policy), runs.table_of(rows))
    state = fold(state, {"type": "excluded", "by": "run", "tasks": ["c0"]}, state.table)
    assert len(plan(state, 5 * 15 / 17).tasks) == 6
