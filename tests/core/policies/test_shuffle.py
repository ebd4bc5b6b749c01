from __future__ import annotations

import numpy as np

from selector_api.core.config import RunChange, RunConfig
from selector_api.core.fold import fold
from selector_api.core.policies import Shuffle, Thompson
from selector_api.core.select import select
from selector_api.core.state import RunState
from tests.core import laws, runs


def run(tasks: int, seed: int = 0) -> RunState:
    config = RunConfig("pool", seed, policy=Shuffle())
    return runs.started(config, runs.table_of(runs.plain_rows(tasks)))


def take(state: RunState, batch_size: int) -> list[str]:
    """Select, and release at once."""
    ids = state.table.ids(select(state, batch_size).tasks)
    fold(state, runs.selected("open", ids), state.table)
    fold(state, {"type": "released", "selection": "open", "reason": "final"}, state.table)
    return ids


def test_an_epoch_holds_every_task_once():
    state = run(12)
    epochs = [[task for _ in range(4) for task in take(state, 3)] for _ in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == sorted(f"t{number}" for number in range(12))
    assert epochs[0] != epochs[1] != epochs[2]


def test_a_batch_may_end_one_epoch_and_begin_the_next():
    state = run(10)
    taken = [take(state, 4) for _ in range(5)]  # two epochs
    assert all(len(set(batch)) == 4 for batch in taken)
    sequence = [task for batch in taken for task in batch]
    assert len(set(sequence[:10])) == 10
    assert len(set(sequence[10:])) == 10


def test_leased_tasks_wait():
    state = run(6)
    fold(state, runs.selected("held", ["t0", "t1"]), state.table)
    assert sorted(take(state, 4)) == ["t2", "t3", "t4", "t5"]
    assert set(take(state, 2)) <= {"t2", "t3", "t4", "t5"}


def test_tasks_of_an_epoch_come_in_any_order():
    state = run(30)
    for task in range(0, 30, 3):
        fold(state, runs.selected(f"s{task}", [f"t{task}"]), state.table)
    state.leased.clear()
    tasks, _ = laws.selections(state, 2, 2000)
    counts = np.bincount(tasks[:, 1], minlength=30)
    assert counts[::3].sum() == 0
    assert laws.expected_frequencies(counts[counts > 0], np.full(20, 1 / 20)) > laws.P_VALUE


def test_a_run_that_comes_to_this_policy_later_begins_an_epoch_which_other_changes_do_not_end():
    state = runs.started(RunConfig("pool", policy=Thompson()), runs.table_of(runs.plain_rows(12)))
    take(state, 3)
    epoch: list[str] = []
    for change in (RunChange(policy=Shuffle()), RunChange(share_leased=True), RunChange(policy=Shuffle())):
        fold(state, {"type": "configured", **change.to_dict()}, state.table)
        epoch += take(state, 4)
    assert sorted(epoch) == sorted(f"t{number}" for number in range(12))
