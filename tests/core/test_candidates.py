from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from selector_api.core.candidates import Candidates, uniform_strata
from selector_api.core.config import RunConfig
from selector_api.core.fold import fold
from selector_api.core.policies import Random
from selector_api.core.state import RunState
from tests.core import laws, runs


def two_domains() -> RunState:
    """Tasks 0 to 5 of "math", 6 to 9 of "code"; 0, 6 reported; 1, 6, 7 leased."""
    rows = [*runs.plain_rows(6, "math", "m"), *runs.plain_rows(4, "code", "c")]
    state = runs.started(RunConfig("pool", policy=Random()), runs.table_of(rows))
    state = runs.commit(state, {"m0": (3, 16), "c0": (9, 16)})
    return fold(state, runs.selected("open", ["m1", "c0", "c1"]), state.table)


def test_leased_tasks_are_no_candidates():
    candidates = Candidates.of(two_domains())
    assert candidates.tasks().tolist() == [0, 2, 3, 4, 5, 8, 9]
    assert len(candidates) == 7


def test_leased_tasks_are_candidates_where_the_run_shares_them():
    state = two_domains()
    state.config = replace(state.config, share_leased=True)
    assert len(Candidates.of(state)) == 10
    assert Candidates.of(state).tasks().tolist() == list(range(10))


def test_a_scope_is_one_domain():
    state = two_domains()
    math, code = (state.table.domains.index(name) for name in ("math", "code"))
    assert Candidates.of(state, math).tasks().tolist() == [0, 2, 3, 4, 5]
    assert Candidates.of(state, code).tasks().tolist() == [8, 9]
    assert len(Candidates.of(state, code)) == 2


def test_strata_are_individuals_and_what_is_free_of_each_class():
    candidates = Candidates.of(two_domains())
    assert candidates.individuals.tolist() == [0]  # task 6 is leased
    assert sorted(candidates.class_counts.tolist()) == [2, 4]
    assert candidates.sizes().tolist() == [1, *candidates.class_counts.tolist()]


def test_tasks_join_and_leave():
    candidates = Candidates.of(two_domains())
    fewer = candidates.without(np.array([9, 0, 2]))
    assert fewer.tasks().tolist() == [3, 4, 5, 8]
    assert len(fewer) == 4
    assert len(candidates) == 7


def test_an_empty_run_has_no_candidates():
    state = RunState.initial(RunConfig("pool"))
    assert len(Candidates.of(state)) == 0
    assert Candidates.of(state).tasks().tolist() == []


def test_tasks_that_have_not_entered_the_run_are_no_candidates():
    state = runs.started(RunConfig("pool"), runs.table_of(runs.plain_rows(8)), tasks=5)
    assert Candidates.of(state).tasks().tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("count", [1, 5, 60, 151])
def test_members_are_free_tasks_of_their_class_each_once(count):
    state = laws.mixed_run(Random())
    candidates = Candidates.of(state)
    individuals = set(state.posterior.individuals().tolist())
    for seed in range(30):
        rng = np.random.default_rng(seed)
        strata = uniform_strata(candidates.sizes(), count, rng)
        tasks = candidates.tasks_of(strata, rng)
        assert len(set(tasks.tolist())) == count
        assert candidates.allows(tasks).all()
        alone = strata < len(candidates.individuals)
        np.testing.assert_array_equal(tasks[alone], candidates.individuals[strata[alone]])
        assert individuals.isdisjoint(tasks[~alone].tolist())
        numbers = candidates.classes[strata[~alone] - len(candidates.individuals)]
        np.testing.assert_array_equal(state.classes.of_task[tasks[~alone]], numbers)


@pytest.mark.parametrize("wanted", [2, 40, 80], ids=["few are tried", "many are tried", "most are listed"])
def test_each_entry_of_a_class_gets_each_of_its_tasks_as_often(wanted):
    state = laws.mixed_run(Random())
    candidates = Candidates.of(state)
    largest = int(np.argmax(candidates.sizes()))
    size = int(candidates.sizes()[largest])
    rng = np.random.default_rng(3)
    first_and_last = np.array(
        [candidates.tasks_of(np.full(wanted, largest), rng)[[0, -1]] for _ in range(3000)], np.int64
    )
    for entry in first_and_last.T:
        counts = np.bincount(entry)
        counts = counts[counts > 0]
        assert len(counts) == size
        assert laws.expected_frequencies(counts, np.full(size, 1 / size)) > laws.P_VALUE


def test_uniform_draws_all_candidates_alike_whatever_their_stratum():
    state = laws.mixed_run(Random())
    candidates = Candidates.of(state)
    rng = np.random.default_rng(4)
    batches = np.array([candidates.uniform(3, rng) for _ in range(4000)])
    free = laws.free_tasks(state)
    for position in range(3):
        counts = np.bincount(batches[:, position], minlength=state.size)[free]
        assert laws.expected_frequencies(counts, np.full(len(free), 1 / len(free))) > laws.P_VALUE


def test_uniform_draws_everything_there_is():
    candidates = Candidates.of(two_domains())
    drawn = candidates.uniform(len(candidates), np.random.default_rng(0))
    assert sorted(drawn.tolist()) == candidates.tasks().tolist()
    assert candidates.uniform(0, np.random.default_rng(0)).tolist() == []
