"""The two calls of a training step. What §5 promises of them is tested with two services in tests/promises."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

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
    assert events(http, run)[-1]["outcomes"] == {selection["selection"]: [[0, 3, 16]]}


def test_a_key_stands_for_one_selection(http: httpx.Client, run: str) -> None:
    first = select(http, run, 4, key="k")
    assert select(http, run, 4, key="k") == first | {"replayed": True}
    report(http, run, first["selection"], [seen(task) for task in first["tasks"]])
    assert select(http, run, 4, key="k") == first | {"replayed": True, "status": "committed"}
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


def test_a_batch_that_cannot_be_drawn_tells_what_is_short_and_until_when(
    http: httpx.Client, run: str
) -> None:
    held = select(http, run, 3)
    until = http.post(f"/runs/{run}/selections/{held['selection']}/renew", json={"seconds": 9000}).json()
    problem = assert_problem(http.post("/select", json={"run": run, "batch_size": 8}), 409, "batch-too-large")
    assert problem["shortages"] == [
        {
            "domain": None,
            "wanted": 8,
            "tasks": 10,
            "drawable": 7,
            "leased": 3,
            "leased_until": until["expires_at"],
            "excluded": 0,
            "cooling": 0,
        }
    ]
    assert until["expires_at"] in problem["detail"]


def test_parts_are_counted_once_resent_or_other_than_before(http: httpx.Client, run: str) -> None:
    selection = select(http, run, 3)
    name, (first, second, third) = selection["selection"], selection["tasks"]
    none = {"selection": name, "duplicates": 0, "differing": 0, "differing_tasks": [], "dropped": 0}
    none |= {"committed": False, "step": 0}
    assert report(http, run, name, [seen(first, 2, 4)]) == none | {"accepted": 1, "remaining": 2}
    again = report(http, run, name, [seen(second, 0.5, 1), seen(first, 2, 4)])
    assert again == none | {"accepted": 1, "duplicates": 1, "remaining": 1}
    other = report(http, run, name, [seen(first, 0, 4), seen(second, 0.5, 1)])
    expected = {"accepted": 0, "duplicates": 1, "differing": 1, "differing_tasks": [first], "remaining": 1}
    assert other == none | expected
    last = report(http, run, name, [{"task": third, "rewards": [0.25, 1, 0]}])
    assert last == none | {"accepted": 1, "remaining": 0, "committed": True, "step": 1}
    for outcomes, expected in (
        ([seen(first, 2, 4), seen(third, 1.25, 3)], (0, 2, 0)),
        ([seen(first, 1, 4), seen(third, 1.25, 3), {"task": second, "dropped": "timeout"}], (0, 1, 2)),
    ):
        after = report(http, run, name, outcomes)
        assert (after["accepted"], after["duplicates"], after["differing"], after["step"]) == (*expected, 1)
    committed = events(http, run)[-1]
    assert (committed["reason"], committed["step"]) == ("complete", 1)
    assert committed["outcomes"] == {name: [[0, 2, 4], [1, 0.5, 1], [2, 1.25, 3]]}


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
        "duplicates": 0,
        "differing": 0,
        "differing_tasks": [],
        "dropped": 0,
        "remaining": 0,
        "committed": True,
        "step": 1,
    }
    assert receipt == expected
    again = report(http, run, None, outcomes, key="k")
    assert (again["accepted"], again["duplicates"], again["step"]) == (0, 2, 1)
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


# --- kind 1: rewards ---


def a_run(http: httpx.Client, pool: str, **config: object) -> str:
    name = fresh_name("run")
    answer = http.put(f"/runs/{name}", json={"pool": pool, **config})
    assert answer.status_code == 201, answer.text
    return name


def one_task(http: httpx.Client, run: str, outcome: dict[str, object]) -> httpx.Response:
    selection = select(http, run, 1)
    row = {"task": selection["tasks"][0], **outcome}
    return http.post("/report", json={"run": run, "selection": selection["selection"], "outcomes": [row]})


@pytest.mark.parametrize(
    ("rewards", "sent", "row"),
    [
        ({"type": "range", "min": -1, "max": 1}, [-1, 1, 1, -1], [0, 2, 4]),
        ({"type": "range", "min": 0, "max": 10}, [0, 10, 5], [0, 1.5, 3]),
        ({"type": "range", "min": 0, "max": 1}, [1.0000001, 0], [0, 1, 2]),
        ({"type": "range", "min": 0, "max": 1}, [0.5, 0.5], [0, 1, 2, {"informative": False}]),
        ({"type": "threshold", "pass_at": 0.5}, [0.5, 0.4, -30], [0, 1, 3]),
        ({"type": "threshold", "pass_at": 0.5}, [0.6, 0.7], [0, 2, 2, {"informative": True}]),
    ],
)
def test_rewards_count_as_the_run_says(
    http: httpx.Client, pool: str, rewards: dict[str, object], sent: list[float], row: list[object]
) -> None:
    run = a_run(http, pool, rewards=rewards)
    assert one_task(http, run, {"rewards": sent}).json()["committed"]
    ((logged,),) = events(http, run)[-1]["outcomes"].values()
    assert logged == row


def test_a_reward_outside_the_range_stops_with_place_value_range_and_cure(
    http: httpx.Client, run: str
) -> None:
    detail = assert_problem(one_task(http, run, {"rewards": [1, 1.1]}), 422, "invalid-request")["detail"]
    for word in (
        "outcomes[0].rewards[1]",
        "1.1",
        "from 0 to 1",
        '"rewards": {"type": "range", "min": 0, "max": 1.1}',
    ):
        assert word in detail
    assert "fork" in detail
    assert [event["type"] for event in events(http, run)] == ["created", "selected"]


# --- kinds 3 and 5: rows of one task, drops ---


def test_rows_of_one_task_are_one_outcome(http: httpx.Client, run: str) -> None:
    selection = select(http, run, 1)
    (task,) = selection["tasks"]
    rows = [{"task": task, "reward": 1}, seen(task, 1, 4), {"task": task, "rewards": [0, 0.5]}]
    receipt = report(http, run, selection["selection"], rows)
    assert (receipt["accepted"], receipt["duplicates"], receipt["differing"]) == (1, 0, 0)
    assert events(http, run)[-1]["outcomes"] == {selection["selection"]: [[0, 2.5, 7]]}


def test_a_drop_beside_an_outcome_of_its_task_is_refused(http: httpx.Client, run: str) -> None:
    selection = select(http, run, 1)
    (task,) = selection["tasks"]
    rows = [seen(task), {"task": task, "dropped": "timeout"}]
    body = {"run": run, "selection": selection["selection"], "outcomes": rows}
    detail = assert_problem(http.post("/report", json=body), 422, "invalid-request")["detail"]
    assert "outcomes[1]" in detail
    assert "outcomes[0]" in detail


def test_a_selection_of_which_all_tasks_are_dropped_is_released(http: httpx.Client, run: str) -> None:
    selection = select(http, run, 2, key="k")
    drops = [{"task": task, "dropped": "sandbox"} for task in selection["tasks"]]
    receipt = report(http, run, selection["selection"], drops)
    assert (receipt["dropped"], receipt["remaining"], receipt["committed"], receipt["step"]) == (
        2,
        0,
        False,
        0,
    )
    assert select(http, run, 2, key="k")["status"] == "released"
    assert [event["type"] for event in events(http, run)][-2:] == ["dropped", "released"]


# --- kinds 8 and 10: evaluations, leases ---


def test_a_lease_that_has_ended_cannot_be_renewed(http: httpx.Client, run: str) -> None:
    selection = select(http, run, 2)
    path = f"/runs/{run}/selections/{selection['selection']}"
    assert http.post(f"{path}/renew", json={"seconds": 60}).json()["status"] == "open"
    assert http.post(f"{path}/release", json={}).json()["status"] == "released"
    assert http.post(f"{path}/release").json()["status"] == "released"
    assert_problem(http.post(f"{path}/renew", json={"seconds": 60}), 409, "selection-closed")
    unknown = http.post(f"/runs/{run}/selections/s1-00000000/renew", json={"seconds": 60})
    assert_problem(unknown, 404, "unknown-selection")


def test_what_is_reported_of_a_selection_that_is_given_back_counts(http: httpx.Client, run: str) -> None:
    selection = select(http, run, 2, key="k")
    report(http, run, selection["selection"], [seen(selection["tasks"][0])])
    path = f"/runs/{run}/selections/{selection['selection']}/release"
    assert http.post(path, json={}).json()["status"] == "committed"
    assert events(http, run)[-1]["reason"] == "given-back"


def test_a_key_is_free_for_another_size_once_its_selection_was_released(http: httpx.Client, run: str) -> None:
    first = select(http, run, 4, key="step-3")
    body = {"run": run, "batch_size": 2, "key": "step-3"}
    detail = assert_problem(http.post("/select", json=body), 409, "key-conflict")["detail"]
    for word in ("4 tasks", "release", "another key", "fork"):
        assert word in detail
    http.post(f"/runs/{run}/selections/{first['selection']}/release", json={})
    second = select(http, run, 2, key="step-3")
    assert (len(second["tasks"]), second["replayed"], second["status"]) == (2, False, "open")
    assert select(http, run, 2, key="step-3")["selection"] == second["selection"]


def test_an_evaluation_is_told_apart_and_counted_once(http: httpx.Client, run: str) -> None:
    rows = [seen("task-0", 1, 4), seen("task-1", 0, 4)]
    receipt = report(http, run, None, rows, key="eval", evaluation=True)
    assert (receipt["accepted"], receipt["committed"], receipt["step"]) == (2, False, 0)
    again = report(http, run, None, [seen("task-0", 1, 4), seen("task-1", 4, 4)], key="eval", evaluation=True)
    assert (again["accepted"], again["duplicates"], again["differing_tasks"]) == (0, 1, ["task-1"])
    status = http.get(f"/runs/{run}").json()
    assert (status["etr"]["last"], status["etr"]["evaluation"]) == (None, 0.5)


def plan(http: httpx.Client, run: str, **more: Any) -> dict[str, Any]:
    answer = http.post("/select", json={"run": run, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_step_is_planned_and_topped_up(http: httpx.Client, run: str) -> None:
    # Nothing is known of the ten tasks: Beta(1, 1), so a group of 8 is informative with 7/9.
    first = plan(http, run, informative=3, rollouts=8, key="step-7.0", explain=True)
    assert len(first["tasks"]) == 4
    assert first["predicted"] == {"mean": 0.5, "informative": pytest.approx(4 * 7 / 9, rel=1e-6)}
    assert [row["informative"] for row in first["explain"]] == [pytest.approx(7 / 9, rel=1e-6)] * 4
    second = plan(http, run, informative=1.5, rollouts=8, key="step-7.1")
    assert len(second["tasks"]) == 2
    assert not set(first["tasks"]) & set(second["tasks"])
    event = events(http, run)[-1]
    assert (event["batch_size"], event["informative"], event["rollouts"]) == (2, 1.5, 8)
    assert event["predicted"] == second["predicted"]
    outcomes = [seen(task) for task in first["tasks"]]
    assert report(http, run, first["selection"], outcomes)["committed"]


def test_a_key_stands_for_one_plan(http: httpx.Client, run: str) -> None:
    first = plan(http, run, informative=3, rollouts=8, key="k")
    again = {**first, "replayed": True}
    assert plan(http, run, informative=3, rollouts=8, key="k") == again
    # The size that it turned out to have is its own as well; `rollouts` then ask for nothing.
    assert select(http, run, 4, key="k") == again
    assert select(http, run, 4, key="k", rollouts=2) == again
    for other in ({"informative": 4, "rollouts": 8}, {"informative": 3}, {"informative": 3, "rollouts": 9}):
        answer = http.post("/select", json={"run": run, "key": "k", **other})
        problem = assert_problem(answer, 409, "key-conflict")
        assert problem["detail"].startswith("informative: this key stands for selection")
        assert problem["batch_size"] == 4
    answer = http.post("/select", json={"run": run, "key": "k", "batch_size": 3})
    assert assert_problem(answer, 409, "key-conflict")["detail"].startswith("batch_size: this key stands for")


def test_a_released_key_may_be_planned_anew(http: httpx.Client, run: str) -> None:
    first = plan(http, run, informative=3, key="k")
    http.post(f"/runs/{run}/selections/{first['selection']}/release", json={}).raise_for_status()
    second = plan(http, run, informative=2, key="k")
    assert (second["selection"] != first["selection"], second["replayed"]) == (True, False)


def test_rollouts_shape_what_is_predicted_of_a_batch(http: httpx.Client, run: str) -> None:
    told = [select(http, run, 2, **more)["predicted"]["informative"] for more in ({}, {"rollouts": 4})]
    assert told == [pytest.approx(2 * 15 / 17, rel=1e-6), pytest.approx(2 * 3 / 5, rel=1e-6)]


def test_a_pool_that_cannot_give_so_many_informative_groups_leases_nothing(
    http: httpx.Client, run: str
) -> None:
    before = len(events(http, run))
    select(http, run, 4)
    answer = http.post("/select", json={"run": run, "informative": 5, "rollouts": 8})
    problem = assert_problem(answer, 409, "batch-too-large")
    assert problem["detail"].startswith(
        "informative: 6 tasks, the largest batch that can be drawn now, promise 4.666 informative groups of 8 "
        "rollouts; ask for fewer, or report first (the run has 10 tasks: 6 can be drawn, 4 are leased"
    )
    assert (problem["available"], problem["informative"]) == (6, pytest.approx(6 * 7 / 9))
    assert len(events(http, run)) == before + 1


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "give either batch_size, or informative"),
        ({"batch_size": 3, "informative": 2}, "give either batch_size, or informative"),
        ({"informative": 0}, "informative"),
        ({"informative": 10_001}, "informative: Input should be less than or equal to 10000"),
        ({"informative": 2, "rollouts": 0}, "rollouts"),
        ({"informative": 2, "rollouts": 2.5}, "rollouts"),
        ({"informative": 2, "rollouts": 1}, "rollouts: a group of one is never informative"),
        ({"batch_size": None}, "give either batch_size, or informative"),
    ],
)
def test_a_batch_has_a_size_or_is_planned(
    http: httpx.Client, run: str, body: dict[str, Any], detail: str
) -> None:
    answer = http.post("/select", json={"run": run, **body})
    assert detail in assert_problem(answer, 422, "invalid-request")["detail"]
