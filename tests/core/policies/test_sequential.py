from __future__ import annotations

from selector_api.core.config import RunConfig
from selector_api.core.fold import fold
from selector_api.core.policies import Sequential
from selector_api.core.select import select
from selector_api.core.state import RunState
from tests.core import runs


def run(tasks: int, policy: Sequential | None = None) -> RunState:
    rows = runs.plain_rows(tasks)
    return runs.started(RunConfig("pool", policy=policy or Sequential()), runs.table_of(rows))


def take(state: RunState, batch_size: int, name: str) -> list[str]:
    """Select and lease."""
    ids = state.table.ids(select(state, batch_size).tasks)
    fold(state, runs.selected(name, ids), state.table)
    return ids


def test_pool_order_goes_on_where_it_stopped():
    state = run(7)
    assert take(state, 3, "a") == ["t0", "t1", "t2"]
    assert take(state, 2, "b") == ["t3", "t4"]


def test_the_end_is_followed_by_the_beginning():
    state = run(5)
    take(state, 3, "a")
    fold(state, {"type": "released", "selection": "a", "reason": "final"}, state.table)
    assert take(state, 4, "b") == ["t3", "t4", "t0", "t1"]


def test_leased_tasks_are_passed_over():
    state = run(6)
    fold(state, runs.selected("other", ["t1", "t3", "t5"]), state.table)
    state.history.last_selected.clear()
    assert take(state, 3, "a") == ["t0", "t2", "t4"]


def test_a_long_leased_stretch_is_walked_over():
    state = run(5000)
    fold(state, runs.selected("other", [f"t{number}" for number in range(10, 4900)]), state.table)
    state.history.last_selected.clear()
    assert take(state, 12, "a") == [*(f"t{number}" for number in range(10)), "t4900", "t4901"]


def test_the_whole_pool_in_one_batch():
    state = run(9)
    take(state, 4, "a")
    fold(state, {"type": "released", "selection": "a", "reason": "final"}, state.table)
    assert take(state, 9, "b") == [f"t{number % 9}" for number in range(4, 13)]


def test_each_domain_goes_its_own_way():
    rows = [(f"{'mc'[number % 2]}{number // 2}", ("math", "code")[number % 2], {}) for number in range(12)]
    policy = Sequential(domains={"math": 0.75, "code": 0.25})
    state = runs.started(RunConfig("pool", policy=policy), runs.table_of(rows))
    assert sorted(take(state, 4, "a")) == ["c0", "m0", "m1", "m2"]
    assert sorted(take(state, 4, "b")) == ["c1", "m3", "m4", "m5"]
