"""The promises of the service, on a real Valkey and two API processes that share it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from selector_api.store.keys import run_keys
from tests.promises.logs import check_order, check_replay, evidence, of_kind, rows_of_event, tasks_selected
from tests.promises.pair import REPLICAS, Pair, Run, at_once, ok, outcome, refused, tasks_of, until

CALLERS = 8
COUNTING = {"type": "bots", "forgetting": 0.0, "implicit_weight": 0.0}
"""With it α and β are the prior (1, 1) plus all evidence."""


def counted(run: Run) -> dict[str, tuple[float, float]]:
    """(successes, failures) in the posteriors, by task; both replicas say the same."""
    rows = run.posteriors(0)
    assert rows == run.posteriors(1)
    return {
        row["task"]: (row["alpha"] - 1, row["beta"] - 1) for row in rows if row["alpha"] + row["beta"] > 2
    }


# 1. Idempotent select


def test_idempotent_select_by_callers_at_once(pair: Pair):
    run = Run(pair, tasks_of(60))
    answers = at_once(CALLERS, lambda caller: ok(run.select(caller % 2, 6, key="step-0")))
    assert sorted(answer.pop("replayed") for answer in answers) == [False] + [True] * (CALLERS - 1)
    assert answers == [answers[0]] * CALLERS
    assert len(of_kind(run.events(0), "selected")) == 1


def test_idempotent_select_after_crashes_and_commits(pair: Pair):
    run = Run(pair, tasks_of(60))
    first = ok(run.select(0, 6, key="step-0"))
    second = ok(run.select(1, 6, key="step-1"))
    assert set(first["tasks"]).isdisjoint(second["tasks"])
    ok(run.report(1, first["selection"], [outcome(task, 8) for task in first["tasks"]]))
    before = run.events(0)
    pair.crash()
    for replica in REPLICAS:
        assert ok(run.select(replica, 6, key="step-0")) == first | {"replayed": True, "status": "committed"}
        assert ok(run.select(replica, 6, key="step-1")) == second | {"replayed": True}
        refused(run.select(replica, 7, key="step-0"), 409, "key-conflict")
    assert run.events(1) == before


# 2. Each outcome counts once


def test_each_outcome_counts_once(pair: Pair):
    run = Run(pair, tasks_of(12), posterior=COUNTING)
    selection = ok(run.select(0, 6))
    name, tasks = selection["selection"], selection["tasks"]

    def sent(replica: int, *outcomes: dict[str, Any], final: bool = False) -> tuple[int, ...]:
        receipt = ok(run.report(replica, name, outcomes, final=final))
        assert receipt["selection"] == name
        assert receipt["differing_tasks"] == [row["task"] for row in outcomes][: receipt["differing"]]
        fields = ("accepted", "duplicates", "differing", "remaining", "committed", "step")
        return tuple(receipt[field] for field in fields)

    parts = [outcome(task, 3) for task in tasks[:3]]
    others = [outcome(task, 5) for task in tasks]  # other values, which come too late
    assert sent(0, *parts) == (3, 0, 0, 3, False, 0)
    assert sent(0, *parts) == (0, 3, 0, 3, False, 0), "whole"
    assert sent(1, parts[1]) == (0, 1, 0, 3, False, 0), "in part, by the other replica"
    assert sent(1, *others[:3]) == (0, 0, 3, 3, False, 0), "with other values"
    assert sent(1, others[2], outcome(tasks[3], 3), outcome(tasks[4], 3)) == (2, 0, 1, 1, False, 0), (
        "among new"
    )
    halves = [outcome(tasks[5], 1, 10), outcome(tasks[5], 2, 6)]
    assert sent(0, *halves) == (1, 0, 0, 0, True, 1), "in two rows"
    for replica in REPLICAS:
        assert sent(replica, *others) == (0, 0, 6, 0, True, 1), "with other values, after the commit"
        assert sent(replica, *parts, *halves) == (0, 4, 0, 0, True, 1), "again, after the commit"
    assert sent(1, *others, final=True) == (0, 0, 6, 0, True, 1), "with final"

    assert counted(run) == dict.fromkeys(tasks, (3, 13))
    assert list(evidence(run.events(0)).values()) == [(3, 16)] * 6


def test_each_outcome_counts_once_when_sent_at_once(pair: Pair):
    run = Run(pair, tasks_of(12), posterior=COUNTING)
    selection = ok(run.select(0, 6))
    outcomes = [outcome(task, 3) for task in selection["tasks"]]
    receipts = at_once(CALLERS, lambda caller: ok(run.report(caller % 2, selection["selection"], outcomes)))
    assert sorted((receipt["accepted"], receipt["duplicates"]) for receipt in receipts) == [(0, 6)] * (
        CALLERS - 1
    ) + [(6, 0)]
    assert all(receipt["committed"] and receipt["step"] == 1 for receipt in receipts)
    assert counted(run) == dict.fromkeys(selection["tasks"], (3, 13))


def test_each_outcome_counts_once_late_and_without_a_selection(pair: Pair):
    run = Run(pair, tasks_of(12), posterior=COUNTING)
    selection = ok(run.select(0, 4))
    name, tasks = selection["selection"], selection["tasks"]
    ok(run.report(0, name, [outcome(tasks[0], 1)], final=True))
    late = [outcome(task, 2) for task in tasks]
    receipts = [ok(run.report(replica, name, late[:2])) for replica in (1, 0, 1)]
    fates = [tuple(receipt[of] for of in ("accepted", "duplicates", "differing")) for receipt in receipts]
    assert fates == [(1, 0, 1), (0, 1, 1), (0, 1, 1)]
    receipts = at_once(CALLERS, lambda caller: ok(run.report(caller % 2, name, late)))
    assert sum(receipt["accepted"] for receipt in receipts) == 2

    free = [task["id"] for task in run.tasks if task["id"] not in tasks][:3]
    own = [outcome(task, 7) for task in free]
    receipts = at_once(CALLERS, lambda caller: ok(run.report(caller % 2, None, own, key="fallback-1")))
    assert sum(receipt["accepted"] for receipt in receipts) == 3
    assert ok(run.report(1, None, own[:1], key="fallback-1"))["duplicates"] == 1
    assert ok(run.report(1, None, [outcome(free[0], 1)], key="fallback-1"))["differing_tasks"] == free[:1]

    expected = dict.fromkeys(tasks, (2, 14)) | {tasks[0]: (1, 15)} | dict.fromkeys(free, (7, 9))
    assert counted(run) == expected
    check_order(run.events(0))


def test_a_report_is_taken_whole_or_not_at_all(pair: Pair):
    run = Run(pair, tasks_of(12), posterior=COUNTING)
    selection = ok(run.select(0, 4))
    name, tasks = selection["selection"], selection["tasks"]
    stranger = next(task["id"] for task in run.tasks if task["id"] not in tasks)
    before = run.seen()
    good = [outcome(task, 3) for task in tasks]
    for bad, code in (
        (outcome(stranger, 3), "task-not-in-selection"),
        (outcome(tasks[0], 17), "invalid-request"),
    ):
        refused(run.report(0, name, [*good, bad]), 422, code)
        refused(run.report(1, name, [bad, *good[:2]], final=True), 422, code)
    refused(run.report(0, None, [good[0], outcome("nobody", 3)], key="k"), 422, "invalid-request")
    assert run.seen() == before
    assert ok(run.report(1, name, good))["accepted"] == 4
    assert ok(run.report(1, None, [outcome(stranger, 1)], key="k"))["accepted"] == 1


# 3. One commit a selection


def commits(run: Run) -> list[tuple[str, dict[str, float]]]:
    """Reason and successes by task of each commit."""
    events = run.events(1)
    selected = tasks_selected(events)
    return [
        (event["reason"], {task: successes for _, task, successes, _ in rows_of_event(event, selected)})
        for event in of_kind(events, "committed")
    ]


def test_one_commit_of_parts_by_several_workers(pair: Pair):
    run = Run(pair, tasks_of(30))
    selection = ok(run.select(0, CALLERS))
    name, tasks = selection["selection"], selection["tasks"]
    receipts = at_once(
        CALLERS, lambda caller: ok(run.report(caller % 2, name, [outcome(tasks[caller], caller)]))
    )
    assert sorted(receipt["remaining"] for receipt in receipts) == list(range(CALLERS))
    assert [receipt["step"] for receipt in receipts if receipt["committed"]] == [1]
    assert commits(run) == [("complete", {task: number for number, task in enumerate(tasks)})]
    assert run.view(0)["selections"] == {"open": 0, "committed": 1, "released": 0, "expired": 0}


def test_one_commit_by_final_and_own_commits_of_what_is_late(pair: Pair):
    run = Run(pair, tasks_of(30))
    selection = ok(run.select(0, 5))
    name, tasks = selection["selection"], selection["tasks"]
    ok(run.report(0, name, [outcome(tasks[0], 1)]))
    receipt = ok(run.report(1, name, [outcome(tasks[3], 1)], final=True))
    assert receipt | {"selection": None} == {
        "selection": None,
        "accepted": 1,
        "duplicates": 0,
        "differing": 0,
        "differing_tasks": [],
        "dropped": 0,
        "remaining": 3,
        "committed": True,
        "step": 1,
    }
    assert ok(run.report(0, name, [outcome(task, 2) for task in tasks[:3]]))["step"] == 2
    assert ok(run.report(0, name, [outcome(tasks[4], 3)], final=True))["remaining"] == 0
    assert commits(run) == [
        ("final", {tasks[0]: 1, tasks[3]: 1}),
        ("late", {tasks[1]: 2, tasks[2]: 2}),
        ("late", {tasks[4]: 3}),
    ]
    assert run.view(0)["selections"] == {"open": 0, "committed": 1, "released": 0, "expired": 0}


def test_one_commit_at_the_end_of_a_lease_with_something_reported(pair: Pair):
    for lease_seconds in (0.2, 1.0, 5.0):  # whichever suffices to report a part before its end
        run = Run(pair, tasks_of(30), lease_seconds=lease_seconds)
        selection = ok(run.select(0, 5))
        name, tasks = selection["selection"], selection["tasks"]
        receipt = ok(run.report(1, name, [outcome(task, 1) for task in tasks[:2]]))
        if not receipt["committed"]:
            break
    else:
        pytest.fail("no report came within its lease")
    assert (receipt["remaining"], receipt["step"]) == (3, 0)
    until(lambda: run.view(0)["selections"]["open"] == 0)
    assert run.view(1)["selections"] == {"open": 0, "committed": 1, "released": 0, "expired": 0}
    receipt = ok(run.report(0, name, [outcome(task, 2) for task in tasks]))
    assert (receipt["accepted"], receipt["differing"], receipt["step"]) == (3, 2, 2)
    assert commits(run) == [
        ("lease", dict.fromkeys(tasks[:2], 1)),
        ("late", dict.fromkeys(tasks[2:], 2)),
    ]


def test_a_lease_that_ends_with_nothing_reported_just_frees_its_tasks(pair: Pair):
    run = Run(pair, tasks_of(10), lease_seconds=0.05)
    selection = ok(run.select(0, 10))
    until(lambda: run.view(1)["selections"] == {"open": 0, "committed": 0, "released": 1, "expired": 1})
    assert [event["reason"] for event in of_kind(run.events(0), "released")] == ["lease"]
    assert run.view(0)["step"] == 0
    assert sorted(ok(run.select(1, 10))["tasks"]) == sorted(selection["tasks"])
    assert ok(run.report(1, selection["selection"], [outcome(selection["tasks"][0], 1)]))["committed"]
    assert commits(run) == [("late", {selection["tasks"][0]: 1})]


def test_final_with_nothing_reported_just_frees_its_tasks(pair: Pair):
    run = Run(pair, tasks_of(10))
    selection = ok(run.select(0, 10))
    for replica in (1, 0):
        receipt = ok(run.report(replica, selection["selection"], [], final=True))
        assert (receipt["committed"], receipt["remaining"], receipt["step"]) == (False, 10, 0)
    assert run.view(0)["selections"] == {"open": 0, "committed": 0, "released": 1, "expired": 1}
    assert len(ok(run.select(1, 10))["tasks"]) == 10


# 4. Leased tasks are not handed out again


def test_leased_tasks_are_not_handed_out_again(pair: Pair):
    run = Run(pair, tasks_of(40))
    answers = at_once(CALLERS, lambda caller: ok(run.select(caller % 2, 4)))
    leased = [task for answer in answers for task in answer["tasks"]]
    assert len(leased) == len(set(leased)) == 4 * CALLERS
    for replica in REPLICAS:
        assert refused(run.select(replica, 9), 409, "batch-too-large")["available"] == 8
    assert len(of_kind(run.events(0), "selected")) == CALLERS, "nothing was leased by the refused calls"
    rest = ok(run.select(0, 8))["tasks"]
    assert sorted(leased + rest) == sorted(task["id"] for task in run.tasks)

    first, second, third = answers[:3]
    ok(run.report(1, first["selection"], [outcome(task, 1) for task in first["tasks"]]))
    ok(run.report(0, second["selection"], [outcome(second["tasks"][0], 1)]))
    refused(run.select(1, 5), 409, "batch-too-large")
    run.end_lease(third["selection"])
    freed = ok(run.select(1, 8))["tasks"]
    assert sorted(freed) == sorted(first["tasks"] + third["tasks"]), "those committed and those expired"
    check_order(run.events(0))


def test_leased_tasks_are_handed_out_again_if_the_run_shares_them(pair: Pair):
    run = Run(pair, tasks_of(10), share_leased=True)
    for replica in (0, 1, 0):
        assert len(set(ok(run.select(replica, 10))["tasks"])) == 10
    assert run.view(1)["selections"]["open"] == 3


# 5. Acknowledged means kept


@pytest.mark.parametrize("crash", [Pair.crash_valkey, Pair.crash], ids=["valkey", "both API processes"])
def test_acknowledged_means_kept(pair: Pair, crash: Callable[[Pair], None]):
    run = Run(pair, tasks_of(60))
    selections: list[dict[str, Any]] = []
    reports: list[tuple[str, list[dict[str, Any]]]] = []
    enough, stop = threading.Event(), threading.Event()

    def work(worker: int) -> None:
        for step in range(1000):
            if stop.is_set():
                return
            key = f"{worker}-{step}"
            selection = ok(run.select(step % 2, 5, key=key))
            selections.append(selection | {"key": key, "replayed": True})
            for part in (selection["tasks"][:2], selection["tasks"][2 : 4 + step % 2]):
                outcomes = [outcome(task, worker) for task in part]
                ok(run.report(worker % 2, selection["selection"], outcomes, final=len(part) == 2))
                reports.append((selection["selection"], outcomes))
            if len(reports) > 40:
                enough.set()

    with ThreadPoolExecutor(4) as threads:
        working = [threads.submit(work, worker) for worker in range(4)]
        enough.wait(60)
        grown = tasks_of(20, first=100)
        run.grow(0, grown)
        crash(pair)  # while four workers are at it, and right after the pool grew
        stop.set()
        for future in working:
            future.result()

    assert run.view(1)["tasks"] == 80
    assert ok(run.add_tasks(1, grown))["unchanged"] == 20
    events = run.events(0)
    check_order(events)
    in_log, made = evidence(events), tasks_selected(events)
    assert {selection["selection"]: selection["tasks"] for selection in selections} == made
    for name, outcomes in reports:
        for sent in outcomes:
            assert in_log.pop((name, sent["task"])) == (sent["successes"], sent["trials"])
        assert ok(run.report(0, name, outcomes))["accepted"] == 0
    assert not in_log
    for selection in selections:
        key = selection["key"]
        again = ok(run.select(1, 5, key=key))
        assert again | {"key": key, "status": "open"} == selection
        assert again["status"] in ("open", "committed")
    assert run.events(1) == events


def test_acknowledged_means_kept_when_the_crash_follows_the_answer(pair: Pair):
    run = Run(pair, tasks_of(60))
    selection = ok(run.select(0, 5, key="a"))
    pair.crash_valkey()
    assert ok(run.select(1, 5, key="a")) == selection | {"replayed": True}
    tasks = selection["tasks"]
    for number, task in enumerate(tasks[:2]):
        receipt = ok(run.report(number, selection["selection"], [outcome(task, 3)]))
        pair.crash_valkey()
        again = ok(run.report(1 - number, selection["selection"], [outcome(task, 9)]))
        assert again == receipt | {"accepted": 0, "differing": 1, "differing_tasks": [task]}
    rest = ok(run.report(0, selection["selection"], [outcome(task, 9) for task in tasks]))
    assert (rest["accepted"], rest["committed"]) == (3, True)
    assert list(evidence(run.events(1)).values()) == [(3, 16)] * 2 + [(9, 16)] * 3


def test_replicas_agree_after_redis_lost_its_last_events(pair: Pair):
    """As after a power loss with appendfsync everysec, or a failover to a Redis replica that lagged behind."""
    run = Run(pair, tasks_of(40))

    def step(successes: float) -> None:
        selection = ok(run.select(1, 3))
        ok(run.report(1, selection["selection"], [outcome(task, successes) for task in selection["tasks"]]))

    step(3)
    kept = {key: pair.redis.dump(key) for key in run_keys(run.name)}
    step(3)
    lost = run.seen()
    for key, content in kept.items():
        pair.redis.delete(key)
        if content is not None:
            pair.redis.restore(key, 0, content)
    pair.restart(1, crash=False)  # replica 0 still has what was lost
    step(5)
    assert run.events(0) == run.events(1) != lost[1][2]
    assert run.view(0) == run.view(1)
    assert run.posteriors(0) == run.posteriors(1)
    check_replay(run)


# 6. Bad input changes nothing and says why


def test_bad_input_changes_nothing_and_says_why(pair: Pair):
    run = Run(pair, tasks_of(12))
    name, tasks = (ok(run.select(0, 4, key="a"))[field] for field in ("selection", "tasks"))
    before = run.seen()

    def post(path: str, **body: Any) -> Callable[[int], Any]:
        return lambda replica: pair.call(replica, "POST", path, json=body)

    def report(**fields: Any) -> Callable[[int], Any]:
        return post(
            "/report", run=run.name, **{"selection": name, "outcomes": [outcome(tasks[0], 1)]} | fields
        )

    secret = "only-where-it-is-a-name"
    cases: list[tuple[int, str, str, Callable[[int], Any]]] = [
        (
            404,
            "unknown-run",
            f"run: there is none named '{secret}'",
            post("/select", run=secret, batch_size=1),
        ),
        (422, "invalid-request", "batch_size", post("/select", run=run.name, batch_size=0)),
        (422, "invalid-request", "batch_size", post("/select", run=run.name, batch_size=secret)),
        (422, "invalid-request", "key", post("/select", run=run.name, batch_size=1, key=secret * 20)),
        (409, "batch-too-large", "batch_size", post("/select", run=run.name, batch_size=9)),
        (409, "key-conflict", "batch_size", post("/select", run=run.name, batch_size=5, key="a")),
        (404, "unknown-selection", "selection", report(selection=secret)),
        (
            422,
            "task-not-in-selection",
            f"outcomes[0].task: '{secret}'",
            report(outcomes=[outcome(secret, 1)]),
        ),
        (422, "invalid-request", "outcomes[0]", report(outcomes=[outcome(tasks[0], 17)])),
        (422, "invalid-request", "outcomes[0].successes", report(outcomes=[outcome(tasks[0], -1)])),
        (
            422,
            "invalid-request",
            "outcomes[0].rewards",
            report(outcomes=[{"task": tasks[0], "rewards": [2]}]),
        ),
        (422, "invalid-request", "outcomes", report(outcomes=[])),
        (422, "invalid-request", "extra", report(extra=secret)),
    ]
    for status, code, field, call in cases:
        for replica in REPLICAS:
            problem = refused(call(replica), status, code)
            assert field in problem["detail"], problem
            assert secret in field or secret not in str(problem), problem
    assert run.seen() == before
