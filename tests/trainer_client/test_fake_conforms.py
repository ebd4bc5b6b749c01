"""The same scenarios over the wire against the fake and, where one runs, the real service."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any, get_args
from uuid import uuid4

import httpx
import pytest

from trainer_client import FakeSelector
from trainer_client.models import PosteriorOrder

SESSION = uuid4().hex[:8]
numbers = count()


@pytest.fixture(params=["fake", "service"])
def http(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    if request.param == "fake":
        options: dict[str, Any] = {"base_url": "http://selector", "transport": FakeSelector().transport}
    else:
        try:
            options = {"base_url": request.getfixturevalue("service_url")}
        except pytest.FixtureLookupError:
            pytest.skip("no service_url fixture: there is no running service to compare with")
    with httpx.Client(timeout=30, **options) as http:
        yield http


@pytest.fixture
def pool(http: httpx.Client) -> str:
    """A pool of ten tasks, named for this test alone."""
    pool = f"pool-{SESSION}-{next(numbers)}"
    assert http.put(f"/pools/{pool}", json={}).status_code == 201
    lines = [json.dumps({"id": f"task-{number}"}) for number in range(10)]
    assert add_tasks(http, pool, "\n".join(lines)).status_code == 200
    return pool


@pytest.fixture
def run(http: httpx.Client, pool: str) -> str:
    """A run over that pool."""
    run = f"run-{SESSION}-{next(numbers)}"
    assert http.put(f"/runs/{run}", json={"pool": pool}).status_code == 201
    return run


def add_tasks(http: httpx.Client, pool: str, lines: str) -> httpx.Response:
    headers = {"Content-Type": "application/x-ndjson"}
    return http.post(f"/pools/{pool}/tasks", content=lines.encode(), headers=headers)


def select(http: httpx.Client, run: str, batch_size: int, **more: Any) -> dict[str, Any]:
    answer = http.post("/select", json={"run": run, "batch_size": batch_size, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def report(http: httpx.Client, run: str, selection: str | None, outcomes: list[dict], **more: Any) -> dict:
    body = {"run": run, "selection": selection, "outcomes": outcomes, **more}
    answer = http.post("/report", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def seen(task: str, successes: float = 1, trials: int = 2) -> dict[str, Any]:
    return {"task": task, "successes": successes, "trials": trials}


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["Content-Type"].partition(";")[0] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:bots:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    return problem


def test_a_pool_is_made_once(http: httpx.Client, pool: str):
    again = http.put(f"/pools/{pool}", json={})
    assert again.status_code == 200
    view = {
        "pool": pool,
        "tasks": 10,
        "domains": {"default": 10},
        "references": [],
        "reference_counts": {},
        "retired": 0,
    }
    assert again.json() == http.get(f"/pools/{pool}").json() == view


def test_tasks_are_taken_once_as_ndjson_or_json(http: httpx.Client, pool: str):
    task = {"id": "new", "domain": "algebra", "references": {"weak": 0.25, "strong": 0.75}}
    receipt = add_tasks(http, pool, json.dumps(task) + "\n").json()
    assert receipt == {"inserted": 1, "unchanged": 0, "extended": 0, "tasks": 11}
    receipt = http.post(f"/pools/{pool}/tasks", json=[task, {"id": "newer"}]).json()
    assert receipt == {"inserted": 1, "unchanged": 1, "extended": 0, "tasks": 12}
    measured = {"id": "newer", "references": {"weak": 0.5}}
    receipt = http.post(f"/pools/{pool}/tasks", json=[task, measured]).json()
    assert receipt == {"inserted": 0, "unchanged": 1, "extended": 1, "tasks": 12}
    view = http.get(f"/pools/{pool}").json()
    assert view["domains"] == {"default": 11, "algebra": 1}
    assert sorted(view["references"]) == ["strong", "weak"]


def test_a_task_with_other_values_is_a_conflict_and_nothing_is_inserted(http: httpx.Client, pool: str):
    lines = '{"id": "new"}\n{"id": "task-0", "domain": "algebra"}\n'
    assert_problem(add_tasks(http, pool, lines), 409, "task-conflict")
    assert http.get(f"/pools/{pool}").json()["tasks"] == 10


def test_any_string_is_an_id(http: httpx.Client, pool: str, run: str):
    names = ["a b/c?d#e%f", "zeile\u2028ende\x85", "任务", '"\\']
    add_tasks(http, pool, "\n".join(json.dumps({"id": name}, ensure_ascii=False) for name in names))
    selection = select(http, run, 14)
    assert set(names) < set(selection["tasks"])
    receipt = report(http, run, selection["selection"], [seen(task) for task in selection["tasks"]])
    assert receipt["remaining"] == 0
    events = http.get(f"/runs/{run}/events").content.strip(b"\n").split(b"\n")
    (rows,) = json.loads(events[-1])["outcomes"].values()
    assert [row[0] for row in rows] == list(range(14))
    for name in names:
        rows = http.get(f"/runs/{run}/posteriors", params={"task": name}).json()["posteriors"]
        assert [row["task"] for row in rows] == [name]


def test_a_run_is_made_once(http: httpx.Client, pool: str, run: str):
    assert http.put(f"/runs/{run}", json={"pool": pool, "seed": 0}).status_code == 200
    assert_problem(http.put(f"/runs/{run}", json={"pool": pool, "seed": 1}), 409, "run-conflict")
    assert http.get(f"/runs/{run}").json()["config"]["seed"] == 0


def test_what_is_in_use_stays_and_what_is_deleted_is_gone(http: httpx.Client, pool: str, run: str):
    assert_problem(http.delete(f"/pools/{pool}"), 409, "pool-in-use")
    assert http.delete(f"/runs/{run}").status_code == 204
    assert http.delete(f"/pools/{pool}").status_code == 204
    assert_problem(http.delete(f"/runs/{run}"), 404, "unknown-run")
    assert_problem(http.delete(f"/pools/{pool}"), 404, "unknown-pool")


def test_a_selection_is_leased(http: httpx.Client, run: str):
    first = select(http, run, 6)
    assert set(first) == {
        "selection",
        "run",
        "step",
        "tasks",
        "expires_at",
        "replayed",
        "status",
        "predicted",
    }
    assert (first["run"], first["step"], first["replayed"]) == (run, 0, False)
    assert first["expires_at"].endswith("Z")
    second = select(http, run, 4)
    assert {*first["tasks"], *second["tasks"]} == {f"task-{number}" for number in range(10)}


def test_a_batch_too_large_says_what_is_available_and_leases_nothing(http: httpx.Client, run: str):
    select(http, run, 7)
    answer = http.post("/select", json={"run": run, "batch_size": 4})
    assert assert_problem(answer, 409, "batch-too-large")["available"] == 3
    select(http, run, 3)


def test_tasks_added_later_can_be_drawn(http: httpx.Client, pool: str, run: str):
    select(http, run, 10)
    add_tasks(http, pool, '{"id": "late"}')
    assert select(http, run, 1)["tasks"] == ["late"]


def test_leases_may_be_shared(http: httpx.Client, pool: str):
    run = f"run-{SESSION}-{next(numbers)}"
    http.put(f"/runs/{run}", json={"pool": pool, "share_leased": True})
    assert set(select(http, run, 10)["tasks"]) == set(select(http, run, 10)["tasks"])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"policy": {"type": "signal"}}, "posterior.forgetting: the policy signal wants 0.01 or less"),
        ({"policy": {"type": "signal"}, "posterior": {"type": "bots", "forgetting": 0.01}}, None),
        ({"policy": {"type": "signal"}, "posterior": {"type": "rasch"}}, None),
        (
            {"policy": {"type": "random", "domains": {"default": 1.0}}},
            "policy.domains: the domain 'algebra' has no share",
        ),
    ],
)
def test_what_should_be_seen_to_is_said(
    http: httpx.Client, pool: str, config: dict[str, Any], said: str | None
):
    run = f"run-{SESSION}-{next(numbers)}"
    assert http.put(f"/runs/{run}", json={"pool": pool} | config).status_code == 201
    add_tasks(http, pool, '{"id": "late", "domain": "algebra"}')
    warnings = http.get(f"/runs/{run}").json()["warnings"]
    assert [warning[: len(said or "")] for warning in warnings] == ([said] if said else [])


def test_a_key_is_one_selection(http: httpx.Client, run: str):
    first = select(http, run, 3, key="step-0")
    assert select(http, run, 3, key="step-0") == {**first, "replayed": True}
    assert_problem(
        http.post("/select", json={"run": run, "batch_size": 4, "key": "step-0"}), 409, "key-conflict"
    )
    asked = {"run": run, "batch_size": 3, "key": "step-0", "explain": True}
    assert_problem(http.post("/select", json=asked), 409, "not-explained")


def test_an_explanation_goes_task_by_task(http: httpx.Client, run: str):
    selection = select(http, run, 3, explain=True)
    assert [row["task"] for row in selection["explain"]] == selection["tasks"]
    assert {(row["alpha"], row["beta"]) for row in selection["explain"]} == {(1, 1)}
    assert all(0 <= row["draw"] <= 1 for row in selection["explain"])


def test_a_selection_reported_in_parts_commits_once(http: httpx.Client, run: str):
    selection = select(http, run, 3)
    name, (first, second, third) = selection["selection"], selection["tasks"]
    expected = {
        "selection": name,
        "accepted": 1,
        "duplicates": 0,
        "differing": 0,
        "differing_tasks": [],
        "dropped": 0,
        "remaining": 2,
        "committed": False,
        "step": 0,
    }
    assert report(http, run, name, [seen(first)]) == expected
    expected |= {"differing": 1, "differing_tasks": [first], "remaining": 1}
    assert report(http, run, name, [seen(first, 0), seen(second)]) == expected
    expected |= {"differing": 0, "differing_tasks": [], "remaining": 0, "committed": True, "step": 1}
    assert report(http, run, name, [{"task": third, "rewards": [1, 0.5]}]) == expected
    again = report(http, run, name, [seen(first), {"task": third, "rewards": [0.5, 1]}])
    assert (again["accepted"], again["duplicates"], again["step"]) == (0, 2, 1)
    again = report(http, run, name, [seen(first), seen(third)])
    assert (again["accepted"], again["duplicates"], again["differing"]) == (0, 1, 1)
    status = http.get(f"/runs/{run}").json()
    assert (status["step"], status["selections"]) == (
        1,
        {"open": 0, "committed": 1, "released": 0, "expired": 0},
    )
    assert status["etr"]["last"] == status["etr"]["recent"] == 1
    assert (status["tasks"], status["never_selected"]) == (10, 7)


def test_rows_of_one_task_in_a_report_are_one_outcome(http: httpx.Client, run: str):
    selection = select(http, run, 2)
    task = selection["tasks"][0]
    rows = [{"task": task, "reward": reward} for reward in (1, 0, 0.5)]
    receipt = report(http, run, selection["selection"], [seen(task, 2, 3), *rows], final=True)
    assert (receipt["accepted"], receipt["duplicates"], receipt["remaining"]) == (1, 0, 1)
    (row,) = http.get(f"/runs/{run}/posteriors", params={"task": task}).json()["posteriors"]
    assert (row["successes"], row["trials"]) == (3.5, 6)


def test_final_commits_what_there_is_and_later_outcomes_commit_on_their_own(http: httpx.Client, run: str):
    selection = select(http, run, 3)
    name, (first, second, _) = selection["selection"], selection["tasks"]
    receipt = report(http, run, name, [seen(first)], final=True)
    assert (receipt["remaining"], receipt["committed"], receipt["step"]) == (2, True, 1)
    late = report(http, run, name, [seen(first), seen(second)])
    assert (late["accepted"], late["duplicates"], late["committed"], late["step"]) == (1, 1, True, 2)


def test_final_without_outcomes_frees_the_tasks(http: httpx.Client, run: str):
    receipt = report(http, run, select(http, run, 10)["selection"], [], final=True)
    assert (receipt["accepted"], receipt["remaining"], receipt["committed"]) == (0, 10, False)
    assert len(select(http, run, 10)["tasks"]) == 10
    assert http.get(f"/runs/{run}").json()["selections"] == {
        "open": 1,
        "committed": 0,
        "released": 1,
        "expired": 1,
    }


def test_a_report_is_taken_whole_or_not_at_all(http: httpx.Client, run: str):
    selection = select(http, run, 2)
    other = next(f"task-{number}" for number in range(10) if f"task-{number}" not in selection["tasks"])
    outcomes = [seen(selection["tasks"][0]), seen(other)]
    body = {"run": run, "selection": selection["selection"], "outcomes": outcomes}
    assert_problem(http.post("/report", json=body), 422, "task-not-in-selection")
    assert report(http, run, selection["selection"], outcomes[:1])["accepted"] == 1


def test_outcomes_without_a_selection_count_once_under_their_key(http: httpx.Client, run: str):
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
    outcomes = [seen("task-0"), {"task": "task-1", "rewards": [1, 1, 0]}]
    assert report(http, run, None, outcomes, key="k") == expected
    again = report(http, run, None, outcomes, key="k")
    assert (again["accepted"], again["duplicates"], again["step"]) == (0, 2, 1)
    more = report(http, run, None, [seen("task-2")], key="k")
    assert (more["accepted"], more["duplicates"], more["step"]) == (1, 0, 2)
    other = report(http, run, None, [seen("task-0"), seen("task-0", 0)], key="l")
    assert (other["accepted"], other["duplicates"], other["step"]) == (1, 0, 3)
    differs = report(http, run, None, [seen("task-0", 3, 16)], key="l")
    assert (differs["accepted"], differs["differing_tasks"], differs["step"]) == (0, ["task-0"], 3)
    status = http.get(f"/runs/{run}").json()
    assert status["selections"] == {"open": 0, "committed": 0, "released": 0, "expired": 0}
    lines = http.get(f"/runs/{run}/events", params={"after": 1}).content.strip(b"\n").split(b"\n")
    events = [json.loads(line) for line in lines]
    assert [(event["type"], event["reason"], event["selection"], event["key"]) for event in events] == [
        ("committed", "unsolicited", None, key) for key in "kkl"
    ]


def test_an_evaluation_and_a_training_report_of_one_key_both_count(http: httpx.Client, run: str):
    def told(*outcomes: dict[str, Any], evaluation: bool) -> tuple[int, int, int, bool, int]:
        receipt = report(http, run, None, list(outcomes), key="step-5", evaluation=evaluation)
        return tuple(receipt[name] for name in ("accepted", "duplicates", "differing", "committed", "step"))

    assert told(seen("task-0", 3, 8), evaluation=True) == (1, 0, 0, False, 0)
    assert told(seen("task-0", 4, 8), evaluation=False) == (1, 0, 0, True, 1)
    assert told(seen("task-0", 3, 8), evaluation=True) == (0, 1, 0, False, 1)
    assert told(seen("task-0", 3, 8), evaluation=False) == (0, 0, 1, True, 1)


def test_outcomes_of_leased_tasks_may_come_without_a_selection_too(http: httpx.Client, run: str):
    selection = select(http, run, 10)
    assert report(http, run, None, [seen("task-0")], key="k")["accepted"] == 1
    receipt = report(http, run, selection["selection"], [seen(task) for task in selection["tasks"]])
    assert (receipt["accepted"], receipt["step"]) == (10, 2)


def test_a_dropped_task_is_known_and_gives_no_evidence(http: httpx.Client, run: str):
    selection = select(http, run, 3)
    name, (first, second, third) = selection["selection"], selection["tasks"]
    drops = [{"task": task, "dropped": "timeout"} for task in (first, second)]
    receipt = report(http, run, name, drops)
    assert (receipt["dropped"], receipt["accepted"], receipt["remaining"]) == (2, 0, 1)
    again = report(http, run, name, [drops[0], seen(second)])
    assert (again["duplicates"], again["differing"], again["dropped"]) == (1, 1, 0)
    receipt = report(http, run, name, [seen(third)])
    assert (receipt["committed"], receipt["remaining"], receipt["step"]) == (True, 0, 1)
    (row,) = http.get(f"/runs/{run}/posteriors", params={"task": first}).json()["posteriors"]
    assert (row["dropped"], row["trials"]) == (1, 0)
    (listed,) = http.get(f"/runs/{run}/selections").json()["selections"]
    assert listed["reported"] == 1, "of those that were dropped nothing is known"
    both = {"run": run, "selection": name, "outcomes": [seen(first), drops[0]]}
    assert_problem(http.post("/report", json=both), 422, "invalid-request")


def test_a_selection_of_drops_alone_is_released(http: httpx.Client, run: str):
    selection = select(http, run, 1, key="k")
    drop = {"task": selection["tasks"][0], "dropped": "broken"}
    receipt = report(http, run, selection["selection"], [drop])
    assert (receipt["committed"], receipt["remaining"], receipt["step"]) == (False, 0, 0)
    assert select(http, run, 1, key="k")["status"] == "released"


def test_an_evaluation_informs_and_is_no_step(http: httpx.Client, run: str):
    for duplicates in (0, 1):
        receipt = report(http, run, None, [seen("task-0", 1, 4)], key="eval", evaluation=True)
        assert (receipt["accepted"], receipt["duplicates"], receipt["step"]) == (
            1 - duplicates,
            duplicates,
            0,
        )
        assert not receipt["committed"], "it is no commit"
    (row,) = http.get(f"/runs/{run}/posteriors", params={"task": "task-0"}).json()["posteriors"]
    assert (row["alpha"], row["beta"], row["last_step"]) == (2, 4, None)
    assert http.get(f"/runs/{run}").json()["etr"]["last"] is None


@pytest.mark.parametrize("sizes", [[4], [1, 1, 1, 1], [3, 1], [1, 3, 2]])
def test_a_commit_comes_with_every_so_many_outcomes(http: httpx.Client, pool: str, sizes: list[int]):
    name = f"run-{uuid4().hex}"
    http.put(f"/runs/{name}", json={"pool": pool, "commit": {"outcomes": 4}}).raise_for_status()
    selections = [select(http, name, size) for size in sizes]
    arrived = 0
    for selection in selections:
        receipt = report(
            http, name, selection["selection"], [seen(task, 1, 2) for task in selection["tasks"]]
        )
        arrived += len(selection["tasks"])
        assert receipt["step"] == arrived // 4
    states = http.get(f"/runs/{name}").json()["selections"]
    assert states["committed"] == (len(sizes) if arrived == 4 else 2)
    http.delete(f"/runs/{name}")


def test_the_last_straggler_waits_for_no_lease_that_is_not_there(http: httpx.Client, pool: str):
    name = f"run-{uuid4().hex}"
    http.put(f"/runs/{name}", json={"pool": pool, "commit": {"outcomes": 4}}).raise_for_status()
    late, other = select(http, name, 2), select(http, name, 1)
    for selection in (late, other):
        http.post(f"/runs/{name}/selections/{selection['selection']}/release").raise_for_status()
    receipt = report(http, name, late["selection"], [seen(late["tasks"][0])])
    assert (receipt["committed"], receipt["step"]) == (True, 1), "nothing is open whose end would commit it"
    select(http, name, 1)
    receipt = report(http, name, late["selection"], [seen(late["tasks"][1])])
    assert (receipt["committed"], receipt["step"]) == (False, 1), "it may wait for more"
    http.delete(f"/runs/{name}")


@pytest.mark.parametrize(
    ("rewards", "sent", "counts"),
    [
        ({"type": "range", "min": -1, "max": 1}, [-1, 1, 1, -1], (2, 4)),
        ({"type": "range", "min": 0, "max": 10}, [0, 10, 5], (1.5, 3)),
        ({"type": "threshold", "pass_at": 0.5}, [0.4, 0.6, 7], (2, 3)),
    ],
)
def test_rewards_count_as_the_run_says(
    http: httpx.Client, pool: str, rewards: dict[str, Any], sent: list[float], counts: tuple[float, int]
):
    name = f"run-{uuid4().hex}"
    http.put(f"/runs/{name}", json={"pool": pool, "rewards": rewards}).raise_for_status()
    selection = select(http, name, 2)
    first, second = selection["tasks"]
    report(http, name, selection["selection"], [{"task": first, "rewards": sent}])
    if rewards["type"] == "range":
        outside = [{"task": second, "rewards": [12.5]}]
        body = {"run": name, "selection": selection["selection"], "outcomes": outside}
        assert "12.5" in assert_problem(http.post("/report", json=body), 422, "invalid-request")["detail"]
    report(http, name, selection["selection"], [], final=True)
    (row,) = http.get(f"/runs/{name}/posteriors", params={"task": first}).json()["posteriors"]
    assert (row["successes"], row["trials"]) == counts
    http.delete(f"/runs/{name}")


def test_a_run_goes_on_otherwise_and_leaves_tasks_out(http: httpx.Client, pool: str, run: str):
    assert_problem(http.patch(f"/runs/{run}", json={"seed": 3}), 422, "invalid-request")
    assert http.patch(f"/runs/{run}", json={"share_leased": True}).json()["config"]["share_leased"] is True
    assert http.post(f"/runs/{run}/exclude", json={"tasks": ["task-0"]}).json() == {
        "changed": 1,
        "excluded": 1,
    }
    answer = http.post(f"/pools/{pool}/retire", json={"tasks": ["task-1", "task-2"]})
    assert answer.json() == {"changed": 2, "retired": 2}
    assert set(select(http, run, 7)["tasks"]).isdisjoint({"task-0", "task-1", "task-2"})
    assert http.get(f"/runs/{run}").json()["excluded"] == 3
    http.post(f"/pools/{pool}/restore", json={"tasks": ["task-1", "task-2"]}).raise_for_status()
    http.post(f"/runs/{run}/include", json={"tasks": ["task-0"]}).raise_for_status()
    assert len(select(http, run, 10)["tasks"]) == 10
    for path in (f"/runs/{run}/exclude", f"/pools/{pool}/retire"):
        assert_problem(http.post(path, json={"tasks": ["task-0", "tusk"]}), 404, "unknown-task")


def test_a_fork_has_the_evidence_of_the_first_commits(http: httpx.Client, pool: str, run: str):
    for step in range(3):
        selection = select(http, run, 2, key=f"step-{step}")
        report(http, run, selection["selection"], [seen(task, step, 8) for task in selection["tasks"]])
    name = f"run-{uuid4().hex}"
    body = {"pool": pool, "fork": {"run": run, "step": 2}}
    assert [http.put(f"/runs/{name}", json=body).status_code for _ in range(2)] == [201, 200]
    status = http.get(f"/runs/{name}").json()
    assert (status["step"], status["selections"]["open"], status["parent"]) == (2, 0, {"run": run, "step": 2})
    rows = http.get(f"/runs/{name}/posteriors").json()["posteriors"]
    assert sum(row["trials"] for row in rows) == 32
    assert not select(http, name, 2, key="step-2")["replayed"]
    http.delete(f"/runs/{name}")


def test_a_fork_has_the_evaluations_up_to_its_step(http: httpx.Client, pool: str, run: str):
    report(http, run, None, [seen("task-0", 1, 4)], key="before", evaluation=True)
    report(http, run, None, [seen("task-1", 1, 4)], key="k")
    report(http, run, None, [seen("task-2", 1, 4)], key="after", evaluation=True)
    for fork, trials in (({"step": 0}, []), ({"step": 1}, [4, 4]), ({}, [4, 4, 4])):
        name = f"run-{uuid4().hex}"
        http.put(f"/runs/{name}", json={"pool": pool, "fork": {"run": run, **fork}}).raise_for_status()
        rows = http.get(f"/runs/{name}/posteriors").json()["posteriors"]
        assert [row["trials"] for row in rows if row["trials"]] == trials
        http.delete(f"/runs/{name}")


def test_a_lease_is_kept_and_given_back(http: httpx.Client, run: str):
    selection = select(http, run, 8, key="k")
    path = f"/runs/{run}/selections/{selection['selection']}"
    kept = http.post(f"{path}/renew", json={"seconds": 7200}).json()
    assert (kept["status"], kept["expires_at"] > selection["expires_at"]) == ("open", True)
    conflict = http.post("/select", json={"run": run, "batch_size": 4, "key": "k"})
    assert assert_problem(conflict, 409, "key-conflict")["batch_size"] == 8
    given = http.post(f"{path}/release").json()  # there is nothing to say
    assert (given["status"], given["expires_at"]) == ("released", None)
    assert_problem(http.post(f"{path}/renew", json={"seconds": 1}), 409, "selection-closed")
    assert len(select(http, run, 4, key="k")["tasks"]) == 4


def test_there_are_lists_of_everything(http: httpx.Client, pool: str, run: str):
    selection = select(http, run, 2, key="step-0")
    page = http.get(f"/pools/{pool}/tasks", params={"limit": 6}).json()
    assert [row["id"] for row in page["tasks"]] == [f"task-{number}" for number in range(6)]
    page = http.get(f"/pools/{pool}/tasks", params={"limit": 6, "cursor": page["next"]}).json()
    assert (len(page["tasks"]), page.get("next")) == (4, None)
    (row,) = http.get("/runs", params={"pool": pool}).json()["runs"]
    assert (row["run"], row["pool"], row["step"], row["open"]) == (run, pool, 0, 1)
    (row,) = http.get(f"/runs/{run}/selections", params={"status": "open"}).json()["selections"]
    assert (row["selection"], row["key"], row["tasks"]) == (
        selection["selection"],
        "step-0",
        selection["tasks"],
    )
    assert http.get(f"/runs/{run}/selections", params={"status": "released"}).json()["selections"] == []


def test_posteriors_follow_the_update(http: httpx.Client, run: str):
    selection = select(http, run, 2)
    first, second = selection["tasks"]
    report(http, run, selection["selection"], [seen(first, 3, 4), seen(second, 0, 16)])
    report(http, run, None, [seen(second, 1, 1)], key="k")
    page = http.get(f"/runs/{run}/posteriors").json()
    assert (page["step"], page["next"], len(page["posteriors"])) == (2, None, 10)
    rows = {row["task"]: row for row in page["posteriors"]}
    assert (rows[first]["selected"], rows[first]["last_step"]) == (1, 1)
    assert (rows[second]["selected"], rows[second]["last_step"]) == (1, 2)
    assert rows[first]["alpha"] == pytest.approx(1 + 0.9 * 3, rel=1e-9)
    assert rows[first]["beta"] == pytest.approx(1 + 0.9 * 1, rel=1e-9)
    assert rows[second]["alpha"] == pytest.approx(2, rel=1e-9)
    assert rows[second]["beta"] == pytest.approx(1 + 0.9 * 16, rel=1e-9)
    alpha, beta = rows[first]["alpha"], rows[first]["beta"]
    assert rows[first]["mean"] == pytest.approx(alpha / (alpha + beta))
    assert rows[first]["sd"] ** 2 == pytest.approx(alpha * beta / (alpha + beta) ** 2 / (alpha + beta + 1))
    untouched = [row for task, row in rows.items() if task not in (first, second)]
    assert {(row["alpha"], row["beta"], row["selected"], row["last_step"]) for row in untouched} == {
        (1, 1, 0, None)
    }


def test_posteriors_are_found_and_sorted(http: httpx.Client, run: str):
    selection = select(http, run, 4)
    tasks = selection["tasks"]
    outcomes = [seen(tasks[0], 4, 4), seen(tasks[1], 0, 4), seen(tasks[2], 1, 4)]
    report(http, run, selection["selection"], [*outcomes, {"task": tasks[3], "dropped": "timeout"}])
    report(http, run, None, [seen(tasks[0], 3, 3)], key="k")

    def found(**params: Any) -> list[dict[str, Any]]:
        answer = http.get(f"/runs/{run}/posteriors", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()["posteriors"]

    for order in get_args(PosteriorOrder):
        field, sign = order.removeprefix("-"), -1 if order.startswith("-") else 1
        values = [sign * (-1 if row[field] is None else row[field]) for row in found(sort=order)]
        assert values == sorted(values), order
        assert len(set(values)) > 1, order
    assert [row["task"] for row in found(search="sk-7")] == ["task-7"]
    assert len(found(search="task", sort="-streak", limit=3)) == 3
    assert_problem(http.get(f"/runs/{run}/posteriors", params={"sort": "-task"}), 422, "invalid-request")


def test_the_log_tells_what_happened(http: httpx.Client, pool: str, run: str):
    selection = select(http, run, 1, key="step-0")
    add_tasks(http, pool, '{"id": "late"}')
    report(http, run, selection["selection"], [seen(selection["tasks"][0], 1, 2)])
    report(http, run, select(http, run, 1)["selection"], [], final=True)
    events = [json.loads(line) for line in http.get(f"/runs/{run}/events").text.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["type"] for event in events]
    assert sorted(kinds) == ["committed", "created", "grown", "released", "selected", "selected"]
    selected = events[kinds.index("selected")]
    assert (selected["key"], selected["batch_size"], selected["tasks"]) == ("step-0", 1, selection["tasks"])
    committed = events[kinds.index("committed")]
    assert (committed["selection"], committed["reason"]) == (selection["selection"], "complete")
    assert committed["outcomes"] == {selection["selection"]: [[0, 1, 2]]}
    assert events[-1]["reason"] == "final"
    assert http.get(f"/runs/{run}/events", params={"after": len(events)}).text == ""


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/pools/nobody", "unknown-pool"),
        ("DELETE", "/pools/nobody", "unknown-pool"),
        ("GET", "/runs/nobody", "unknown-run"),
        ("DELETE", "/runs/nobody", "unknown-run"),
        ("GET", "/runs/nobody/posteriors", "unknown-run"),
        ("GET", "/runs/nobody/events", "unknown-run"),
        ("GET", "/nowhere", "not-found"),
    ],
)
def test_what_is_not_there_has_its_code(http: httpx.Client, method: str, path: str, code: str):
    assert_problem(http.request(method, path), 404, code)


def test_what_a_body_names_but_is_not_there_has_its_code(http: httpx.Client, run: str):
    body: dict[str, Any] = {"run": "nobody", "batch_size": 1}
    assert_problem(http.post("/select", json=body), 404, "unknown-run")
    body = {"run": "nobody", "selection": "s0", "outcomes": [seen("task-0")]}
    assert_problem(http.post("/report", json=body), 404, "unknown-run")
    assert_problem(http.post("/report", json={**body, "run": run}), 404, "unknown-selection")
    body = {"run": run, "selection": None, "key": "k", "outcomes": [seen("task-0"), seen("nobody")]}
    assert_problem(http.post("/report", json=body), 422, "invalid-request")
    assert_problem(http.get(f"/runs/{run}/posteriors", params={"task": "nobody"}), 404, "unknown-task")
    assert_problem(http.put(f"/runs/{run}-2", json={"pool": "nobody"}), 404, "unknown-pool")
    assert http.get(f"/runs/{run}").json()["step"] == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/select", {"batch_size": 0}),
        ("/select", {"batch_size": 10_001}),
        ("/select", {"batch_size": "2"}),
        ("/select", {"batch_size": 1, "key": ""}),
        ("/select", {"batch_size": 1, "size": 1}),
        ("/select", {}),
        ("/report", {"selection": "s0", "outcomes": []}),
        ("/report", {"selection": "s0", "outcomes": [seen("t", 3, 2)]}),
        ("/report", {"selection": "s0", "outcomes": [seen("t", -1, 2)]}),
        ("/report", {"selection": "s0", "outcomes": [seen("t", 0, 0)]}),
        ("/report", {"selection": "s0", "outcomes": [{"task": "t", "rewards": []}]}),
        ("/report", {"selection": "s0", "outcomes": [{"task": "t", "rewards": [1.5]}]}),
        ("/report", {"selection": "s0", "outcomes": [{**seen("t"), "rewards": [1]}]}),
        ("/report", {"selection": "s0", "outcomes": [seen("t")], "last": True}),
        ("/report", {"selection": "s0", "outcomes": [seen("t")], "key": "k"}),
        ("/report", {"selection": None, "outcomes": [seen("t")]}),
        ("/report", {"selection": None, "outcomes": [], "key": "k"}),
        ("/report", {"selection": None, "outcomes": [seen("t")], "key": "k", "final": True}),
        ("/report", {"selection": None, "outcomes": [seen("t")], "key": "k" * 257}),
    ],
)
def test_a_body_that_is_wrong_is_refused(http: httpx.Client, run: str, path: str, body: dict[str, Any]):
    assert_problem(http.post(path, json={"run": run, **body}), 422, "invalid-request")


@pytest.mark.parametrize(
    "part",
    [
        {"seed": -1},
        {"lease_seconds": 0},
        {"posterior": {"forgetting": 0}},
        {"implicit": {}},
        {"policy": {"target": 0.5}},
        {"polcy": {"type": "random"}},
    ],
)
def test_a_run_config_that_is_wrong_is_refused(http: httpx.Client, pool: str, part: dict[str, Any]):
    assert_problem(http.put(f"/runs/of-{pool}", json={"pool": pool, **part}), 422, "invalid-request")
    assert_problem(http.get(f"/runs/of-{pool}"), 404, "unknown-run")


@pytest.mark.parametrize("path", ["/select", "/report"])
def test_a_body_that_is_no_json_is_refused(http: httpx.Client, path: str):
    headers = {"Content-Type": "application/json"}
    assert_problem(http.post(path, content=b'{"run": ', headers=headers), 400, "invalid-json")


def test_a_step_is_planned_by_its_informative_groups(http: httpx.Client, run: str):
    def plan(**more: Any) -> httpx.Response:
        return http.post("/select", json={"run": run, **more})

    first = plan(informative=3, rollouts=8, key="step-0.0", explain=True).json()
    assert len(first["tasks"]) == 4  # of 7/9 each
    assert first["predicted"] == {"mean": 0.5, "informative": pytest.approx(28 / 9, rel=1e-6)}
    assert [row["informative"] for row in first["explain"]] == [pytest.approx(7 / 9, rel=1e-6)] * 4
    plain = {name: value for name, value in first.items() if name != "explain"} | {"replayed": True}
    assert plan(informative=3, rollouts=8, key="step-0.0").json() == plain
    assert select(http, run, 4, key="step-0.0") == plain
    problem = assert_problem(plan(informative=2, key="step-0.0"), 409, "key-conflict")
    assert problem["detail"].startswith("informative: this key stands for selection")
    second = plan(informative=1.5, rollouts=8, key="step-0.1").json()
    assert len(second["tasks"]) == 2
    assert not set(second["tasks"]) & set(first["tasks"])
    problem = assert_problem(plan(informative=5, rollouts=8), 409, "batch-too-large")
    assert problem["detail"].startswith(
        "informative: 4 tasks, the largest batch that can be drawn now, promise 3.111 "
    )
    assert (problem["available"], problem["informative"]) == (4, pytest.approx(28 / 9))
    assert_problem(plan(), 422, "invalid-request")
    assert_problem(plan(batch_size=2, informative=2), 422, "invalid-request")


def test_what_a_posterior_leaves_open_is_settled_when_the_run_is_made(http: httpx.Client, pool: str):
    rows = [{"id": "measured", "references": {"weak": 0.25, "strong": 0.5}}]
    assert add_tasks(http, pool, "\n".join(map(json.dumps, rows))).status_code == 200
    run = f"run-{SESSION}-{next(numbers)}"
    body = {"pool": pool, "posterior": {"type": "rasch"}}
    made = http.put(f"/runs/{run}", json=body)
    assert made.status_code == 201
    config = made.json()["config"]
    assert sorted(config["posterior"].pop("references")) == ["strong", "weak"]
    assert config["posterior"] == {"type": "rasch", "rounding": 16}
    assert config["policy"]["type"] == "signal"

    later = json.dumps({"id": "measured", "references": {"late": 0.5}})
    assert add_tasks(http, pool, later).status_code == 200
    assert http.patch(f"/runs/{run}", json={"policy": {"type": "random"}}).status_code == 200
    as_it_is = http.get(f"/runs/{run}").json()["config"]
    for again in (body, as_it_is):
        assert http.put(f"/runs/{run}", json=again).status_code == 200
    assert_problem(http.put(f"/runs/{run}", json={**body, "seed": 1}), 409, "run-conflict")
    row = select(http, run, 2, explain=True)["explain"][0]
    assert {"task", "mean", "sd", "draw", "informative"} <= row.keys()

    many = json.dumps({"id": "measured", "references": {f"r{number}": 0.5 for number in range(14)}})
    assert add_tasks(http, pool, many).status_code == 200
    assert_problem(http.put(f"/runs/{run}-2", json=body), 422, "invalid-request")


def test_a_policy_that_goes_by_references_keeps_them_as_they_are(http: httpx.Client, pool: str):
    assert (
        add_tasks(http, pool, json.dumps({"id": "measured", "references": {"weak": 0.5}})).status_code == 200
    )
    run = f"run-{SESSION}-{next(numbers)}"
    body = {"pool": pool, "policy": {"type": "easy-to-hard"}}
    assert http.put(f"/runs/{run}", json=body).status_code == 201
    later = json.dumps({"id": "measured", "references": {"late": 0.5}})
    assert_problem(add_tasks(http, pool, later), 409, "reference-in-use")


def test_a_receipt_tells_which_reports_of_an_outbox_were_taken(http: httpx.Client, run: str) -> None:
    mine, told = uuid4().hex, list[Any]()
    body = {"run": run, "selection": None, "key": "k", "outcomes": [seen("task-1")]}
    stamps = [f"{mine} 1 1", f"{mine} 3 1", f"{mine} 3 1", f"{mine} 2 1", f"{mine} 9 3"]
    for stamp in stamps:
        answer = http.post("/report", json=body, headers={"X-Bots-Outbox": stamp})
        assert answer.status_code == 200, answer.text
        told.append(answer.json()["place"])
    assert len({place["incarnation"] for place in told}) == 1
    assert [place["number"] for place in told] == [1, 3, 3, 2, 9]
    taken = [place["taken"] for place in told]
    assert taken[:4] == [[[1, 1]], [[1, 1], [3, 3]], [[1, 1], [3, 3]], [[1, 3]]]
    assert [taken[4][0][1], *taken[4][1:]] == [3, [9, 9]]
    for stamp in ("", "me", mine, f"{mine} 1", f"{mine} 1 -1", f"{mine} 1 1 1", f"{mine} {10**15} 1"):
        refused = http.post("/report", json=body, headers={"X-Bots-Outbox": stamp})
        assert_problem(refused, 422, "invalid-request")
