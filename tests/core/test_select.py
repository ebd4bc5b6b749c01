from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from selector_api.core import snapshot
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
from selector_api.core.policies.policy import DomainPart
from selector_api.core.select import Choice, TooFewTasks, plan, select
from selector_api.core.state import RunState
from tests.core import laws, runs

DOMAINS: dict[str, float | DomainPart] = {"math": 0.5, "code": 0.3, "logic": 0.2}
POLICIES: list[Policy] = [
    Thompson(),
    Thompson(exploration=0.4),
    Thompson(temperature=0.2),
    PosteriorMean(),
    PosteriorMean(exploration=0.4),
    PosteriorMean(temperature=0.2),
    Signal(),
    Signal(power=2, exploration=0.4),
    Random(),
    Sequential(),
    Shuffle(),
    EasyToHard(),
]
every_policy = pytest.mark.parametrize("policy", POLICIES, ids=repr)


def three_domains(policy: Policy, **sizes: int) -> RunState:
    sizes = sizes or {"math": 20, "code": 20, "logic": 20}
    rows = [row for name, size in sizes.items() for row in runs.plain_rows(size, name, name)]
    return runs.started(RunConfig("pool", 3, policy=replace(policy, domains=DOMAINS)), runs.table_of(rows))


def lease(state: RunState, choice: Choice, name: str) -> RunState:
    return fold(state, runs.selected(name, state.table.ids(choice.tasks)), state.table)


def domain_counts(state: RunState, choice: Choice) -> dict[str, int]:
    names = [state.table.domains[code] for code in state.table.domain_codes[choice.tasks].tolist()]
    return {name: names.count(name) for name in DOMAINS}


@every_policy
@pytest.mark.parametrize("batch_size", [1, 7, 151])
def test_a_batch_holds_distinct_free_tasks(policy, batch_size):
    state = laws.mixed_run(policy)
    choice = select(state, batch_size)
    assert choice.tasks.dtype == np.int64
    assert choice.tasks.shape == choice.scores.shape == (batch_size,)
    assert len(set(choice.tasks.tolist())) == batch_size
    assert np.isin(choice.tasks, laws.free_tasks(state)).all()


@every_policy
def test_the_same_state_gives_the_same_choice_and_stays_as_it_is(policy):
    state = laws.mixed_run(policy)
    header, arrays = copy.deepcopy(snapshot.taken(state))
    first, again = select(state, 9), select(laws.mixed_run(policy), 9)
    np.testing.assert_array_equal(first.tasks, again.tasks)
    np.testing.assert_array_equal(first.scores, again.scores)
    header_after, arrays_after = snapshot.taken(state)
    assert header_after == header
    assert arrays.keys() == arrays_after.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, arrays_after[name])


@pytest.mark.parametrize("policy", [Thompson(), Random(), Shuffle()], ids=repr)
def test_seed_and_number_of_selections_change_the_draws(policy):
    state = laws.mixed_run(policy, seed=1)
    batches = [
        select(state, 9),
        select(replace(state, selections=state.selections + 1), 9),
        select(laws.mixed_run(policy, seed=2), 9),
    ]
    assert len({tuple(batch.tasks.tolist()) for batch in batches}) == 3


@every_policy
def test_open_selections_never_share_a_task(policy):
    state = laws.mixed_run(policy)
    for number in range(10):
        state = lease(state, select(state, 15), f"s{number}")
    held = np.concatenate(list(state.leased.values()))
    assert len(np.unique(held)) == len(held)


@every_policy
def test_shared_leases_may_be_handed_out_again(policy):
    state = laws.mixed_run(policy)
    state.config = replace(state.config, share_leased=True)
    choice = select(state, state.size)
    assert sorted(choice.tasks.tolist()) == list(range(state.size))


@every_policy
def test_a_batch_larger_than_what_is_free_says_how_many_there_are(policy):
    state = laws.mixed_run(policy)
    free = len(laws.free_tasks(state))
    with pytest.raises(
        TooFewTasks, match=f"batch_size: {free} tasks can be drawn now; ask for fewer"
    ) as caught:
        select(state, 500)
    assert caught.value.available == free
    assert len(select(state, free).tasks) == free
    with pytest.raises(TooFewTasks):
        select(state, free + 1)


def test_what_is_leased_is_told_with_when_the_first_lease_ends():
    state = runs.started(RunConfig("pool"), runs.table_of(runs.plain_rows(6)))
    for number, until in enumerate([2_000_000, 1_000_000, 3_000_000]):
        event = runs.selected(f"s{number}", [f"t{number}"]) | {"expires_at": until}
        state = fold(state, event, state.table)
    with pytest.raises(TooFewTasks, match="3 are leased, the first until 1970-01-01T00:16:40"):
        select(state, 4)


def test_an_empty_run_has_nothing_to_draw():
    with pytest.raises(TooFewTasks) as caught:
        select(RunState.initial(RunConfig("pool")), 1)
    assert caught.value.available == 0


def test_baselines_and_explored_tasks_carry_no_score():
    for policy in (Random(), Sequential(), Shuffle(), EasyToHard()):
        assert np.isnan(select(laws.mixed_run(policy), 5).scores).all()
    scores = select(laws.mixed_run(Thompson(exploration=0.5)), 6).scores
    assert np.isnan(scores).tolist() == [False] * 3 + [True] * 3


@every_policy
def test_shares_of_domains_hold_in_every_batch(policy):
    state = three_domains(policy)
    choice = select(state, 20)
    assert domain_counts(state, choice) == {"math": 10, "code": 6, "logic": 4}
    assert len(set(choice.tasks.tolist())) == 20


@every_policy
def test_rounding_of_shares_evens_out_over_selections(policy):
    state = three_domains(policy)
    total = dict.fromkeys(DOMAINS, 0)
    for number in range(10):
        choice = select(state, 3)
        total = {name: count + domain_counts(state, choice)[name] for name, count in total.items()}
        state = lease(state, choice, f"s{number}")
    assert total == {"math": 15, "code": 9, "logic": 6}


def test_shares_that_change_hold_in_the_next_batch_whatever_was_drawn_before():
    rows = [*runs.plain_rows(100, "math", "m"), *runs.plain_rows(100, "code", "c")]
    state = runs.started(RunConfig("pool", policy=Random(domains={"math": 1.0})), runs.table_of(rows))
    for number in range(5):
        state = lease(state, select(state, 10), f"s{number}")
    change = {"type": "configured", "policy": {"type": "random", "domains": {"math": 0.5, "code": 0.5}}}
    state = fold(state, change, state.table)
    batches: list[int] = []
    for number in range(4):
        choice = select(state, 5)
        batches.append(domain_counts(state, choice)["code"])
        state = lease(state, choice, f"t{number}")
    assert batches == [3, 2, 3, 2]
    with pytest.raises(TooFewTasks) as caught:
        select(state, 150)
    assert caught.value.available == 81  # 40 of math, since 60 are leased
    assert len(plan(state, 20.0, 8).tasks) >= 20


def test_the_rounding_of_shares_goes_on_where_another_thing_of_the_policy_changes():
    rows = [*runs.plain_rows(400, "math", "m"), *runs.plain_rows(100, "code", "c")]
    shares: dict[str, float | DomainPart] = {"math": 0.96, "code": 0.04}
    state = runs.started(RunConfig("pool", policy=Thompson(domains=shares)), runs.table_of(rows))
    drawn = 0
    for number in range(25):
        policy = Thompson(target=0.4 + number / 100, domains=shares)
        change = {"type": "configured", "policy": RunConfig("pool", policy=policy).to_dict()["policy"]}
        state = fold(state, change, state.table)
        choice = select(state, 8)
        drawn += domain_counts(state, choice)["code"]
        state = lease(state, choice, f"s{number}")
    assert drawn == 8


def test_a_domain_that_cannot_fill_its_share_limits_the_batch():
    state = three_domains(Thompson(), math=100, code=3, logic=100)
    with pytest.raises(TooFewTasks) as caught:
        select(state, 20)
    available = caught.value.available
    assert available == 11  # of which 0.3 are 3.3
    assert domain_counts(state, select(state, available))["code"] == 3
    with pytest.raises(TooFewTasks):
        select(state, available + 1)


def test_a_domain_without_tasks_leaves_only_batches_in_which_it_has_no_part():
    state = three_domains(Random(), math=100, code=100)
    with pytest.raises(TooFewTasks) as caught:
        select(state, 20)
    assert domain_counts(state, select(state, caught.value.available))["logic"] == 0


def test_tasks_of_domains_without_a_share_are_not_drawn():
    state = three_domains(Random(), math=5, code=5, logic=5, other=500)
    assert sum(domain_counts(state, select(state, 10)).values()) == 10


def test_the_order_in_which_a_configuration_lists_domains_does_not_matter():
    state = three_domains(Thompson())
    first = select(state, 7)
    turned = dict(reversed(DOMAINS.items()))
    state.config = replace(state.config, policy=Thompson(domains=turned))
    np.testing.assert_array_equal(select(state, 7).tasks, first.tasks)
