"""Visits are kept in a ring: the newest, in order, the same after a snapshot."""

from __future__ import annotations

import numpy as np
import pytest

from selector_api.core import visits
from selector_api.core.config import EveryOutcomes, RunConfig
from selector_api.core.fold import fold
from selector_api.core.visits import Visit, Visits
from tests.core import runs


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "MAX_VISITS", 8)


def record(kept: Visits, step: int, tasks: list[int]) -> None:
    trials = np.full(len(tasks), 4)
    successes = np.array(tasks) % 5
    kept.record(
        "group", np.array(tasks), step, 1000 * step, mean=0.5, sd=0.25, successes=successes, trials=trials
    )


def test_a_visit_tells_what_was_expected_and_seen():
    kept = Visits()
    kept.record("drop", np.array([3]), 1, None)
    kept.record(
        "group",
        np.array([3, 4]),
        2,
        2000,
        mean=np.array([0.25, np.nan]),
        sd=np.array([0.125, np.nan]),
        successes=np.array([1.5, 2]),
        trials=np.array([2, 2]),
        informative=np.array([True, False]),
        version=np.array([7, -1]),
    )
    assert kept.of_task(3) == [
        Visit("drop", 1, None, None, None, 0.0, 0, False, None),
        Visit("group", 2, 2000, 0.25, 0.125, 1.5, 2, True, 7),
    ]
    assert kept.of_task(4) == [Visit("group", 2, 2000, None, None, 2.0, 2, False, None)]
    assert (kept.of_task(5), kept.since) == ([], 0)


def test_two_groups_of_a_task_in_a_commit_tell_each_what_its_own_selection_expected():
    """They are of two selections, since leased tasks are shared."""
    table = runs.table_of(runs.plain_rows(4))
    state = runs.started(RunConfig("p", share_leased=True, commit=EveryOutcomes(2)), table)
    state = fold(state, runs.selected("one", ["t1", "t0"]), table)
    means = [0.5]
    for number in range(3):  # meanwhile it is seen to pass
        rows = [["t0", 8, 8]]
        event = {"type": "committed", "selection": None, "reason": "unsolicited", "closes": []}
        state = fold(state, {**event, "key": str(number), "outcomes": rows}, table)
    means.append(float(state.posterior.of_tasks(np.array([0])).mean()[0]))
    state = fold(state, runs.selected("two", ["t2", "t0"]), table)
    both = {"type": "committed", "selection": "two", "reason": "count", "closes": []}
    state = fold(state, {**both, "outcomes": {"one": [[1, 2, 8]], "two": [[1, 3, 8]]}}, table)
    told = state.history.visits.of_task(0)[-2:]
    assert [visit.mean for visit in told] == pytest.approx(means)
    assert means[1] > 0.8


def test_the_newest_visits_are_kept_in_their_order(small: None):
    kept = Visits()
    for step in range(1, 12):
        record(kept, step, [step % 2, 2])
    assert [visit.step for visit in kept.of_task(2)] == [8, 9, 10, 11]
    assert [visit.step for visit in kept.of_task(1)] == [9, 11]
    assert kept.since == 9  # of step 8 all are kept here, which the ring does not tell by itself


def test_more_at_once_than_are_kept(small: None):
    kept = Visits()
    record(kept, 1, list(range(20)))
    assert [task for task in range(20) if kept.of_task(task)] == list(range(12, 20))
    assert kept.of_task(13)[0].successes == 3


def test_they_come_back_bit_for_bit_and_a_copy_stands_by_itself(small: None):
    kept = Visits()
    for step in range(1, 7):
        record(kept, step, [0, step])
    restored, copied = Visits.restored(kept.to_arrays()), kept.copy()
    for each in (kept, restored):
        record(each, 9, [0])
    for name, column in kept.to_arrays().items():
        np.testing.assert_array_equal(column, restored.to_arrays()[name], err_msg=name)
    assert [visit.step for visit in copied.of_task(0)] == [3, 4, 5, 6]


def test_a_few_come_back_too():
    kept = Visits()
    record(kept, 1, [5])
    restored = Visits.restored(kept.to_arrays())
    record(restored, 2, [5])
    assert [visit.step for visit in restored.of_task(5)] == [1, 2]
