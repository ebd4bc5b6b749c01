"""Promises 2, 3, 7 and 8 where evidence comes as trainers have it: packed otherwise, in any order, with drops."""

from __future__ import annotations

import random
from queue import Queue
from typing import Any

import pytest

from tests.promises.logs import check_order, check_replay, of_kind
from tests.promises.pair import PATIENCE_SECONDS, Pair, Run, at_once, ok, outcome, tasks_of

_EVERY_64 = {"outcomes": 64}


def bits(run: Run) -> dict[str, tuple[str, str]]:
    """α and β by task, as both replicas answer them: each digit counts."""
    rows = run.posteriors(0)
    assert repr(rows) == repr(run.posteriors(1))
    return {row["task"]: (repr(row["alpha"]), repr(row["beta"])) for row in rows}


# 3 and 7. Commits of so many outcomes


@pytest.mark.timeout(600)  # 23,000 calls
def test_10_000_outcomes_in_selections_of_1_8_and_64_leave_the_same_bits(pair: Pair):
    seen = random.Random(1)
    values = [seen.randrange(17) for _ in range(10_000)]
    posterior = {"type": "bots", "implicit": {"type": "interpolation", "weak": "weak", "strong": "strong"}}
    sizes = (1, 8, 64)
    runs = [
        Run(pair, tasks_of(640), policy={"type": "sequential"}, commit=_EVERY_64, posterior=posterior)
        for _ in sizes
    ]

    drawn: list[Queue[list[str]]] = [Queue(64 // size) for size in sizes]

    def work(number: int) -> None:
        """Draw for a run at replica 0, or report at replica 1 what was drawn, in the same order."""
        at, reports = divmod(number, 2)
        run, size = runs[at].name, sizes[at]
        with pair.connection(reports) as post:
            for first in range(0, 10_000, size):
                if reports:
                    name, *tasks = drawn[at].get(timeout=PATIENCE_SECONDS)
                    rows = list(map(outcome, tasks, values[first : first + size]))
                    post("/report", {"run": run, "selection": name, "outcomes": rows})
                else:
                    made = post("/select", {"run": run, "batch_size": min(size, 10_000 - first)})
                    drawn[at].put([made["selection"], *made["tasks"]], timeout=PATIENCE_SECONDS)

    at_once(2 * len(sizes), work)
    assert [run.view(1)["step"] for run in runs] == [10_000 // 64] * len(sizes)
    left = [bits(run) for run in runs]
    assert left[0] == left[1] == left[2]


def test_the_same_order_leaves_the_same_bits_in_selections_of_1_8_and_64(pair: Pair):
    left: list[dict[str, tuple[str, str]]] = []
    for size in (1, 8, 64):
        run = Run(pair, tasks_of(192), policy={"type": "sequential"}, commit=_EVERY_64)
        for first in range(0, 768, size):
            selection = ok(run.select(first % 2, size))
            rows = [
                outcome(task, (first + number) * 7 % 17) for number, task in enumerate(selection["tasks"])
            ]
            ok(run.report(1, selection["selection"], rows))
        assert run.view(0)["step"] == 12
        left.append(bits(run))
    assert left[0] == left[1] == left[2]


def test_160_groups_finished_in_any_order_are_10_commits_of_16(pair: Pair):
    run = Run(pair, tasks_of(600), commit={"outcomes": 16})
    chance = random.Random(1)
    flight = [ok(run.select(number % 2, 1)) for number in range(32)]
    for number in range(160):
        group = flight.pop(chance.randrange(len(flight)))
        receipt = ok(run.report(number % 2, group["selection"], [outcome(group["tasks"][0], 5)]))
        assert receipt["step"] == (number + 1) // 16
        assert receipt["remaining"] == 0
        flight.append(ok(run.select(number % 2, 1)))
    commits = of_kind(run.events(0), "committed")
    assert [sum(map(len, event["outcomes"].values())) for event in commits] == [16] * 10
    check_order(run.events(1))


def test_a_report_may_end_one_commit_and_begin_the_next(pair: Pair):
    run = Run(pair, tasks_of(30), commit={"outcomes": 4})
    selection = ok(run.select(0, 10))
    name, tasks = selection["selection"], selection["tasks"]
    first = ok(run.report(1, name, [outcome(task, 1) for task in tasks[:3]]))
    assert (first["committed"], first["step"]) == (False, 0)
    again = [outcome(task, 1) for task in tasks[:3]]
    assert ok(run.report(0, name, again))["duplicates"] == 3, "while they wait"
    second = ok(run.report(0, name, [outcome(task, 1) for task in tasks[3:9]]))
    assert (second["accepted"], second["committed"], second["step"]) == (6, False, 2)
    assert ok(run.report(1, name, again))["duplicates"] == 3, "after their commit"
    assert ok(run.report(1, name, [outcome(tasks[8], 2)]))["differing"] == 1, "while it waits"
    # Committed tasks are free; the one that waits and the one that is awaited are not.
    assert len(ok(run.select(1, 28))["tasks"]) == 28
    run.end_lease(name)
    assert run.view(0)["step"] == 3, "what waits is committed when a lease ends"
    late = ok(run.report(0, name, [outcome(tasks[9], 1)]))
    assert (late["accepted"], late["remaining"], late["step"]) == (1, 0, 3)
    assert ok(run.report(1, name, [outcome(tasks[9], 1)]))["duplicates"] == 1, "a late one that waits"
    check_order(run.events(1))


def test_commits_of_so_many_by_workers_at_once(pair: Pair):
    run = Run(pair, tasks_of(64), commit={"outcomes": 5})
    selection = ok(run.select(0, 64))
    name, tasks = selection["selection"], selection["tasks"]
    for _ in range(2):
        at_once(
            8, lambda at: ok(run.report(at % 2, name, [outcome(t, 1) for t in tasks[at * 8 : at * 8 + 8]]))
        )
    events = run.events(0)
    sizes = [sum(map(len, event["outcomes"].values())) for event in of_kind(events, "committed")]
    assert sizes == [5] * 12
    final = ok(run.report(1, name, [outcome("t0", 1)]))
    assert (final["duplicates"], final["remaining"], final["committed"]) == (1, 0, False)
    assert run.view(1)["selections"]["open"] == 1, "the last four wait"


def test_a_change_of_when_outcomes_enter_loses_none(pair: Pair):
    run = Run(pair, tasks_of(30), posterior={"type": "bots", "forgetting": 0.0, "implicit_weight": 0.0})
    selection = ok(run.select(0, 6))
    name, tasks = selection["selection"], selection["tasks"]
    for number, commit in enumerate(({"outcomes": 2}, "selection", {"outcomes": 3}, "selection")):
        ok(run.report(number % 2, name, [outcome(tasks[number], 3)]))
        ok(pair.call(number % 2, "PATCH", f"/runs/{run.name}", json={"commit": commit}))
    receipt = ok(run.report(1, name, [outcome(task, 3) for task in tasks]))
    assert (receipt["accepted"], receipt["duplicates"], receipt["differing"]) == (2, 4, 0)
    rows = {row["task"]: (row["alpha"], row["beta"]) for row in run.posteriors(0)}
    assert {task: rows[task] for task in tasks} == dict.fromkeys(tasks, (4.0, 14.0))


# 8. A broken task cannot take over


def dropped(task: str, why: str = "timeout") -> dict[str, Any]:
    return {"task": task, "dropped": why}


def test_a_drop_is_taken_once_rests_and_is_told(pair: Pair):
    run = Run(pair, tasks_of(12), policy={"type": "sequential"})
    selection = ok(run.select(0, 3))
    name, (a, b, c) = selection["selection"], selection["tasks"]
    receipt = ok(run.report(1, name, [outcome(a, 3), outcome(b, 4), dropped(c)]))
    assert (receipt["accepted"], receipt["dropped"], receipt["committed"], receipt["step"]) == (2, 1, True, 1)
    again = ok(run.report(0, name, [outcome(a, 3), dropped(c, "another reason"), outcome(b, 5)]))
    assert (again["duplicates"], again["differing_tasks"]) == (2, [b]), "a drop is one, whatever its reason"
    assert ok(run.report(0, name, [outcome(c, 3)]))["differing_tasks"] == [c]
    (event,) = of_kind(run.events(1), "dropped")
    assert event["drops"] == [[2, "timeout"]]
    for replica in (0, 1):
        assert {row["task"]: row["dropped"] for row in run.posteriors(replica)}[c] == 1
        assert run.view(replica)["dropped"] == 1


def test_what_is_left_out_at_final_counts_as_dropped_and_still_counts_when_it_comes(pair: Pair):
    for commit in ("selection", {"outcomes": 2}):
        run = Run(pair, tasks_of(12), commit=commit)
        selection = ok(run.select(0, 4))
        name, tasks = selection["selection"], selection["tasks"]
        ok(run.report(1, name, [outcome(task, 3) for task in tasks[:2]], final=True))
        assert run.view(0)["dropped"] == 2
        late = ok(run.report(0, name, [outcome(task, 3) for task in tasks]))
        assert (late["accepted"], late["duplicates"], late["remaining"], late["step"]) == (2, 2, 0, 2)
        check_order(run.events(1))


@pytest.mark.parametrize("policy", [{"type": "signal"}, {"type": "thompson", "exploration": 0.2}])
def test_a_step_planned_by_one_replica_is_topped_up_by_the_other(pair: Pair, policy: dict[str, Any]):
    """Promises 1 and 4 for planned steps: keys answer the same, and no task is handed out twice."""
    run = Run(pair, tasks_of(60), policy=policy)

    def plan(replica: int, informative: float, key: str) -> dict[str, Any]:
        body = {"run": run.name, "informative": informative, "rollouts": 8, "key": key}
        return ok(pair.call(replica, "POST", "/select", json=body))

    first = plan(0, 12, "step-7.0")
    second = plan(1, 4, "step-7.1")
    assert not set(first["tasks"]) & set(second["tasks"])
    assert first["predicted"]["informative"] >= 12
    assert second["predicted"]["informative"] >= 4
    assert plan(1, 12, "step-7.0") == first | {"replayed": True}
    pair.restart(1, crash=True)
    assert plan(1, 4, "step-7.1") == second | {"replayed": True}
    for selection in (first, second):
        ok(run.report(1, selection["selection"], [outcome(task, 5) for task in selection["tasks"]]))
    answers = at_once(6, lambda caller: plan(caller % 2, 6, "step-8.0"))
    assert sorted(answer.pop("replayed") for answer in answers) == [False] + [True] * 5
    assert answers == [answers[0]] * 6
    check_replay(run)
