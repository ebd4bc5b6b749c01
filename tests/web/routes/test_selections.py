"""The two calls of a training step. What §5 promises of them is tested with two services in tests/promises."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.web.calls import add_tasks, assert_problem, events, everything, fresh_name, report, seen, select


def test_a_selection_is_a_lease_of_distinct_tasks(http: httpx.Client, run: str) -> None:
    before = datetime.now(UTC)
    selection = select(http, run, 4)
    assert (selection["run"], selection["step"], selection["replayed"]) == (run, 0, False)
    assert "explain" not in selection
    assert len(set(selection["tasks"])) == 4
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", selection["expires_at"])
    lease = datetime.fromisoformat(selection["expires_at"]) - before
    assert timedelta(seconds=3590) < lease < timedelta(seconds=3700)
    assert not set(select(http, run, 6)["tasks"]) & set(selection["tasks"])


def test_an_integer_may_have_a_fraction_of_zero(http: httpx.Client, run: str) -> None:
    selection = select(http, run, 1.0)
    outcomes = [{"task": selection["tasks"][0], "successes": 3.0, "trials": 16.0}]
    assert report(http, run, selection["selection"], outcomes)["committed"]
    assert events(http, run)[-1]["outcomes"] == [seen(selection["tasks"][0], 3, 16)]


def test_a_key_stands_for_one_selection(http: httpx.Client, run: str) -> None:
    first = select(http, run, 4, key="k")
    assert select(http, run, 4, key="k") == first | {"replayed": True}
    report(http, run, first["selection"], [seen(task) for task in first["tasks"]])
    assert select(http, run, 4, key="k") == first | {"replayed": True}
    answer = http.post("/select", json={"run": run, "batch_size": 5, "key": "k"})
    assert "batch_size" in assert_problem(answer, 409, "key-conflict")["detail"]
    assert select(http, run, 4, key="l")["selection"] != first["selection"]


def test_explain_tells_what_each_task_was_chosen_by(http: httpx.Client, run: str) -> None:
    first = select(http, run, 3, key="k", explain=True)
    assert [row["task"] for row in first["explain"]] == first["tasks"]
    assert all((row["alpha"], row["beta"]) == (1.0, 1.0) for row in first["explain"])
    distances = [abs(row["draw"] - 0.5) for row in first["explain"]]
    assert distances == sorted(distances)
    assert select(http, run, 3, key="k", explain=True) == first | {"replayed": True}
    assert "explain" not in select(http, run, 3, key="k")
    select(http, run, 2, key="unexplained")
    body = {"run": run, "batch_size": 2, "key": "unexplained", "explain": True}
    assert_problem(http.post("/select", json=body), 409, "not-explained")


def test_what_draws_nothing_explains_no_draw(http: httpx.Client, pool: str) -> None:
    run = fresh_name("run")
    http.put(f"/runs/{run}", json={"pool": pool, "policy": {"type": "sequential"}})
    rows = select(http, run, 2, explain=True)["explain"]
    assert [(row["task"], row["draw"]) for row in rows] == [("task-0", None), ("task-1", None)]


def test_a_batch_that_cannot_be_drawn_leases_nothing(http: httpx.Client, pool: str, run: str) -> None:
    select(http, run, 3)
    before = everything(http, pool, run)
    problem = assert_problem(http.post("/select", json={"run": run, "batch_size": 8}), 409, "batch-too-large")
    assert problem["available"] == 7
    assert "batch_size" in problem["detail"]
    assert everything(http, pool, run) == before
    assert len(select(http, run, 7)["tasks"]) == 7


def test_parts_resent_and_unequal_are_counted_once(http: httpx.Client, run: str) -> None:
    selection = select(http, run, 3)
    name, (first, second, third) = selection["selection"], selection["tasks"]
    receipt = {"selection": name, "committed": False, "step": 0}
    parts = [
        ([seen(first, 2, 4)], receipt | {"accepted": 1, "duplicates": 0, "remaining": 2}),
        (
            [seen(second, 0.5, 1), seen(first, 0, 4), seen(second, 1, 1)],
            receipt | {"accepted": 1, "duplicates": 2, "remaining": 1},
        ),
        (
            [{"task": third, "rewards": [0.25, 1, 0]}],
            {
                "selection": name,
                "accepted": 1,
                "duplicates": 0,
                "remaining": 0,
                "committed": True,
                "step": 1,
            },
        ),
    ]
    for outcomes, expected in parts:
        assert report(http, run, name, outcomes) == expected
    again = report(http, run, name, [seen(first), seen(third)])
    assert (again["accepted"], again["duplicates"], again["step"]) == (0, 2, 1)
    committed = events(http, run)[-1]
    assert (committed["reason"], committed["step"]) == ("complete", 1)
    assert committed["outcomes"] == [seen(first, 2, 4), seen(second, 0.5, 1), seen(third, 1.25, 3)]


def test_a_large_batch_is_selected_and_reported(http: httpx.Client) -> None:
    name = fresh_name("large")
    http.put(f"/pools/{name}")
    add_tasks(http, name, [{"id": f"task-{number}"} for number in range(10_000)])
    http.put(f"/runs/{name}", json={"pool": name})
    selection = select(http, name, 10_000)
    receipt = report(http, name, selection["selection"], [seen(task) for task in selection["tasks"]])
    assert (receipt["accepted"], receipt["committed"], receipt["step"]) == (10_000, True, 1)


def test_final_closes_and_what_is_late_still_counts(http: httpx.Client, run: str) -> None:
    selection = select(http, run, 3)
    first, second, _ = selection["tasks"]
    closed = report(http, run, selection["selection"], [seen(first)], final=True)
    assert (closed["remaining"], closed["committed"], closed["step"]) == (2, True, 1)
    late = report(http, run, selection["selection"], [seen(second), seen(first)])
    assert (late["accepted"], late["duplicates"], late["remaining"]) == (1, 1, 1)
    assert (late["committed"], late["step"]) == (True, 2)
    assert [event.get("reason") for event in events(http, run, 2)] == ["final", "late"]


def test_final_with_nothing_reported_frees_the_tasks(http: httpx.Client, run: str) -> None:
    selection = select(http, run, 10)
    receipt = report(http, run, selection["selection"], [], final=True)
    assert (receipt["accepted"], receipt["remaining"], receipt["committed"]) == (0, 10, False)
    assert (events(http, run)[-1]["type"], events(http, run)[-1]["reason"]) == ("released", "final")
    assert len(select(http, run, 10)["tasks"]) == 10


def test_a_report_without_a_selection_counts_once_by_its_key(http: httpx.Client, run: str) -> None:
    outcomes = [seen("task-0"), seen("task-1", 2), seen("task-0", 0)]
    receipt = report(http, run, None, outcomes, key="k")
    expected = {
        "selection": None,
        "accepted": 2,
        "duplicates": 1,
        "remaining": 0,
        "committed": True,
        "step": 1,
    }
    assert receipt == expected
    again = report(http, run, None, outcomes, key="k")
    assert (again["accepted"], again["duplicates"], again["step"]) == (0, 3, 1)
    assert report(http, run, None, outcomes, key="l")["step"] == 2
    assert [event["reason"] for event in events(http, run, 1)] == ["unsolicited"] * 2


@pytest.mark.parametrize("foreign", ["nobody", "of another selection"])
def test_a_report_with_a_foreign_task_is_taken_not_at_all(
    http: httpx.Client, pool: str, run: str, foreign: str
) -> None:
    selection, other = select(http, run, 2), select(http, run, 2)
    task = foreign if foreign == "nobody" else other["tasks"][0]
    before = everything(http, pool, run)
    outcomes = [seen(selection["tasks"][0]), seen(task)]
    answer = http.post(
        "/report", json={"run": run, "selection": selection["selection"], "outcomes": outcomes}
    )
    assert "outcomes[1].task" in assert_problem(answer, 422, "task-not-in-selection")["detail"]
    assert everything(http, pool, run) == before
    assert report(http, run, selection["selection"], outcomes[:1])["accepted"] == 1
