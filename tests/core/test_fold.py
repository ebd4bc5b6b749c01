"""Folding a log, replaying it and going on from a snapshot."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from selector_api.core import snapshot
from selector_api.core.config import RunConfig
from selector_api.core.fold import UnreadableLog, fold
from selector_api.core.policies import EasyToHard, Random, Shuffle, Thompson
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.core.select import select
from selector_api.core.state import RunState
from selector_api.core.tasks import TaskTable
from tests.core import runs

SEED = 20251026


def pool() -> TaskTable:
    rng = np.random.default_rng(SEED)
    return runs.table_of(
        [
            (f"t{k}", ("math", "code")[k % 2], {"w": rng.integers(0, 9) / 8, "s": rng.integers(0, 9) / 8})
            for k in range(200)
        ]
    )


def play(config: RunConfig, table: TaskTable, steps: int) -> tuple[RunState, list[dict]]:
    """A run with late reports, leases that end and a pool that grows; with its log."""
    rng = np.random.default_rng(SEED)
    log = [runs.created(config, 120)]
    state = fold(None, log[0], table)

    def happen(event: dict) -> None:
        nonlocal state
        log.append(json.loads(json.dumps(event)))
        state = fold(state, log[-1], table)

    for number in range(steps):
        if number == steps // 2:
            happen({"type": "grown", "tasks": 200})
        ids = table.ids(select(state, 8).tasks)
        happen(runs.selected(f"s{number}", ids))
        outcomes = {id_: (int(rng.integers(0, 17)), 16) for id_ in ids}
        if number % 5 == 3:
            happen({"type": "released", "selection": f"s{number}", "reason": "lease"})
            happen(runs.committed(f"s{number}", {ids[0]: outcomes.pop(ids[0])}, "late"))
        elif number % 7 != 5:  # else it stays open
            happen(runs.committed(f"s{number}", outcomes))
    happen(runs.committed(None, {"t1": (0.5, 2)}, "unsolicited"))
    return state, log


def fingerprint(state: RunState) -> tuple[str, dict[str, bytes]]:
    header, arrays = snapshot.taken(state)
    return json.dumps(header), {name: array.tobytes() for name, array in arrays.items()}


def next_selections(state: RunState, count: int = 5) -> list[list[int]]:
    state = copy.deepcopy(state)
    batches = []
    for number in range(count):
        batches.append(select(state, 8).tasks.tolist())
        ids = state.table.ids(np.array(batches[-1]))
        state = fold(state, runs.selected(f"next{number}", ids), state.table)
    return batches


REFERENCES = Interpolation("w", "s")
GUIDED = Bots(implicit=REFERENCES)
CONFIGS = {
    "bots": RunConfig("p", seed=3, posterior=GUIDED, policy=Thompson(exploration=0.1)),
    "domains": RunConfig("p", policy=Thompson(domains={"math": 0.7, "code": 0.3}), posterior=GUIDED),
    "little forgetting": RunConfig("p", posterior=Bots(forgetting=1e-4, implicit=REFERENCES)),
    "random": RunConfig("p", policy=Random()),
    "shuffle": RunConfig("p", policy=Shuffle(domains={"math": 0.5, "code": 0.5})),
    "easy-to-hard": RunConfig("p", policy=EasyToHard()),
    "shared": RunConfig("p", share_leased=True, policy=Thompson(target=1.0)),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_replaying_the_log_gives_the_same_state_bit_for_bit(name):
    table = pool()
    live, log = play(CONFIGS[name], table, 80)
    replayed = runs.fold_all(log, table)
    assert fingerprint(replayed) == fingerprint(live)
    assert next_selections(replayed) == next_selections(live)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("cut", [1, 70, 140])
def test_a_snapshot_plus_the_tail_gives_the_same_state_bit_for_bit(name, cut):
    table = pool()
    live, log = play(CONFIGS[name], table, 80)
    header, arrays = snapshot.taken(runs.fold_all(log[:cut], table))
    state = snapshot.restored(
        json.loads(json.dumps(header)), {key: array.copy() for key, array in arrays.items()}, table
    )
    for event in log[cut:]:
        state = fold(state, event, table)
    assert fingerprint(state) == fingerprint(live)
    assert next_selections(state) == next_selections(live)


def test_counts_follow_the_log():
    table = pool()
    live, log = play(CONFIGS["bots"], table, 30)
    kinds = [(event["type"], event.get("reason")) for event in log]
    assert live.selections == sum(kind == "selected" for kind, _ in kinds)
    assert live.step == sum(kind == "committed" for kind, _ in kinds)
    assert live.committed == sum(reason == "complete" for _, reason in kinds)
    assert live.released == sum(kind == "released" for kind, _ in kinds)
    assert live.timed_out == sum(reason == "lease" for _, reason in kinds)
    assert live.selections == live.committed + live.released + len(live.leased)
    everything = np.arange(live.size)
    assert live.history.times_selected(everything).sum() == 8 * live.selections
    assert live.history.ever_selected == np.count_nonzero(live.history.times_selected(everything))


def test_a_lease_that_ends_counts_with_evidence_and_without():
    table = runs.table_of(runs.plain_rows(4))
    state = runs.started(CONFIGS["random"], table)
    for selection, reasons in (("a", "complete"), ("b", "final"), ("c", "lease"), ("d", "lease late")):
        state = fold(state, runs.selected(selection, ["t0", "t1"]), table)
        for reason in reasons.split():
            state = fold(state, runs.committed(selection, {"t0": (1, 2)}, reason), table)
    for selection, reason in (("e", "final"), ("f", "lease")):
        state = fold(state, runs.selected(selection, ["t0", "t1"]), table)
        state = fold(state, {"type": "released", "selection": selection, "reason": reason}, table)
    assert (state.committed, state.released, state.timed_out) == (4, 2, 3)


def test_the_effective_task_ratio_is_the_share_of_tasks_neither_all_passed_nor_all_failed():
    state = runs.started(RunConfig("p"), runs.table_of([("a", "m", {}), ("b", "m", {}), ("c", "x", {})]))
    assert state.effective_task_ratio() is None
    state = runs.commit(state, {"a": (0, 4), "b": (1, 4), "c": (4, 4)})
    assert state.effective_task_ratio() == pytest.approx(1 / 3)
    state = runs.commit(state, {"a": (2, 4)})
    assert state.effective_task_ratio(commits=1) == 1.0
    assert state.effective_task_ratio() == 0.5
    assert state.effective_task_ratio_by_domain() == {"m": pytest.approx(2 / 3), "x": 0.0}
    for _ in range(20):
        state = runs.commit(state, {"c": (1, 2)})
    assert state.effective_task_ratio() == 1.0
    assert state.effective_task_ratio_by_domain() == {"m": None, "x": 1.0}


def test_what_a_trainer_tells_of_a_group_stands_before_what_its_counts_tell():
    state = runs.started(RunConfig("p"), runs.table_of(runs.plain_rows(5)))
    tasks = [f"t{number}" for number in range(5)]
    state = fold(state, runs.selected("a", tasks) | {"policy_version": 7}, state.table)
    rows = [
        [0, 3, 4, {"informative": False}],
        [1, 4, 4, {"informative": True, "policy_version": 5}],
        [2, 1, 4],
        [3, 0, 4],
        [4, 4, 4],
    ]
    event = {
        "type": "committed",
        "selection": "a",
        "reason": "complete",
        "closes": ["a"],
        "outcomes": {"a": rows},
    }
    state = fold(state, event, state.table)
    visits = [visit for task in range(5) for visit in state.history.visits.of_task(task)]
    assert [visit.informative for visit in visits] == [False, True, True, False, False]
    assert [visit.version for visit in visits] == [7, 5, 7, 7, 7]
    assert [(visit.kind, visit.step) for visit in visits] == [("group", 1)] * 5
    assert [visit.successes for visit in visits] == [3.0, 4.0, 1.0, 0.0, 4.0]
    assert state.effective_task_ratio() == 0.4


@pytest.mark.parametrize(
    "log",
    [
        [{"type": "grown", "tasks": 1}],
        [runs.created(RunConfig("p"), 1) | {"version": 3}],
        [runs.created(RunConfig("p"), 1), {"type": "divined"}],
    ],
)
def test_a_log_of_another_version_is_refused(log):
    with pytest.raises(UnreadableLog):
        runs.fold_all(log, runs.table_of(runs.plain_rows(1)))


def test_a_table_that_lacks_tasks_is_refused():
    with pytest.raises(ValueError, match="the table holds 1"):
        runs.fold_all([runs.created(RunConfig("p"), 2)], runs.table_of(runs.plain_rows(1)))


def test_a_copy_stays_as_it_is_while_the_run_goes_on():
    table = pool()
    live, _ = play(CONFIGS["bots"], table, 30)
    copied = live.copy()
    before = fingerprint(copied)
    assert before == fingerprint(live)
    runs.commit(live, {"t3": (1, 16), "t4": (16, 16)}, "another")
    assert fingerprint(copied) == before


@pytest.mark.parametrize(
    "event", [runs.selected("s", ["t0", "stranger"]), runs.committed(None, {"t1": (1, 2)}, "unsolicited")]
)
def test_a_log_of_another_pool_is_refused(event):
    table = runs.table_of(runs.plain_rows(2))
    with pytest.raises(ValueError, match="a task that the run does not have"):
        fold(runs.started(RunConfig("p"), table, tasks=1), event, table)
