from __future__ import annotations

from selector_api.core.config import RunConfig
from selector_api.core.fold import fold
from selector_api.core.policies import EasyToHard
from selector_api.core.select import select
from selector_api.core.state import RunState
from tests.core import runs

ROWS: list[runs.Row] = [
    ("unmeasured", "a", {}),
    ("half", "a", {"weak": 0.2, "strong": 0.8}),
    ("easy", "b", {"strong": 0.9}),
    ("hard", "a", {"weak": 0.0, "strong": 0.1}),
    ("half again", "b", {"weak": 0.5}),
    ("never", "b", {"weak": 0.0, "strong": 0.0}),
    ("unmeasured too", "b", {}),
]
ORDER = ["easy", "half", "half again", "hard", "never", "unmeasured", "unmeasured too"]


def run(policy: EasyToHard | None = None, rows: list[runs.Row] = ROWS) -> RunState:
    return runs.started(RunConfig("pool", policy=policy or EasyToHard()), runs.table_of(rows))


def take(state: RunState, batch_size: int) -> list[str]:
    """Select, and release at once."""
    ids = state.table.ids(select(state, batch_size).tasks)
    fold(state, runs.selected("open", ids), state.table)
    fold(state, {"type": "released", "selection": "open", "reason": "final"}, state.table)
    return ids


def test_the_highest_mean_rate_comes_first_and_unmeasured_tasks_last():
    assert take(run(), 7) == ORDER


def test_the_curriculum_goes_on_and_begins_again():
    state = run()
    assert [take(state, 3) for _ in range(3)] == [ORDER[:3], ORDER[3:6], [ORDER[6], *ORDER[:2]]]


def test_leased_tasks_are_passed_over():
    state = run()
    take(state, 1)
    state.leased["held"] = state.table.find(["half", "hard"])
    assert take(state, 4) == ["half again", "never", "unmeasured", "unmeasured too"]


def test_each_domain_has_its_own_curriculum():
    state = run(EasyToHard(domains={"a": 0.5, "b": 0.5}))
    assert take(state, 4) == ["half", "hard", "easy", "half again"]
    assert take(state, 4) == ["unmeasured", "half", "never", "unmeasured too"]


def test_equal_rates_keep_pool_order_however_many_there_are():
    rows: list[runs.Row] = [(f"t{number}", "a", {"weak": 0.5}) for number in range(200)]
    state = run(rows=rows)
    assert [take(state, 70) for _ in range(2)] == [
        [f"t{number}" for number in range(70)],
        [f"t{number}" for number in range(70, 140)],
    ]
