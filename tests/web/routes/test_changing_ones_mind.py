"""Changing one's mind: another policy, tasks that are broken, references that are measured later."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.web.calls import (
    TASKS,
    add_tasks,
    assert_problem,
    events,
    everything,
    fresh_name,
    report,
    seen,
    select,
)

EVERYTHING = {task["id"] for task in TASKS}


def make(http: httpx.Client, pool: str, **config: Any) -> str:
    run = fresh_name("run")
    answer = http.put(f"/runs/{run}", json={"pool": pool, **config})
    assert answer.status_code == 201, answer.text
    return run


def test_a_policy_changes_from_the_next_selection_on(http: httpx.Client, pool: str) -> None:
    config = {
        "policy": {"type": "posterior-mean", "target": 0.0},
        "posterior": {"type": "bots", "forgetting": 0},
    }
    run = make(http, pool, **config)
    first = select(http, run, 10)
    report(http, run, first["selection"], [seen(f"task-{k}", k, 10) for k in range(10)])
    learned = http.get(f"/runs/{run}/posteriors").json()
    change = {
        "policy": {"type": "posterior-mean", "target": 1.0},
        "lease_seconds": 60,
        "commit": {"outcomes": 3},
    }
    assert http.patch(f"/runs/{run}", json=change).status_code == 200
    answer = http.patch(f"/runs/{run}", json=change)  # nothing changes any more
    assert answer.status_code == 200, answer.text
    assert answer.json()["config"]["policy"]["target"] == 1.0
    assert http.get(f"/runs/{run}/posteriors").json() == learned
    assert set(select(http, run, 2)["tasks"]) == {"task-9", "task-8"}
    kinds = [event["type"] for event in events(http, run)]
    assert kinds.count("configured") == 1
    again = http.put(f"/runs/{run}", json={"pool": pool, **config})
    assert again.status_code == 200
    assert any("policy.target is 1.0 there and 0.0 was sent" in each for each in again.json()["warnings"])


@pytest.mark.parametrize(
    "body", [{"posterior": {"type": "bots"}}, {"pool": "other"}, {"seed": 1}, {"rewards": {"type": "range"}}]
)
def test_what_cannot_change_is_refused_and_says_fork(
    http: httpx.Client, pool: str, run: str, body: dict[str, Any]
) -> None:
    before = everything(http, pool, run)
    problem = assert_problem(http.patch(f"/runs/{run}", json=body), 422, "invalid-request")
    assert next(iter(body)) in problem["detail"]
    assert "fork" in problem["detail"]
    assert everything(http, pool, run) == before


def test_another_configuration_is_named_field_by_field(http: httpx.Client, pool: str, run: str) -> None:
    other = {"pool": pool, "posterior": {"type": "bots", "forgetting": 0.5}, "lease_seconds": 60}
    problem = assert_problem(http.put(f"/runs/{run}", json=other), 409, "run-conflict")
    assert "posterior.forgetting is 0.1 there and 0.5 was sent" in problem["detail"]
    assert "lease_seconds is 3600.0 there and 60" in problem["detail"]
    assert "fork" in problem["detail"]
    other = {"pool": pool, "policy": {"type": "signal"}, "commit": {"outcomes": 4}}
    said = assert_problem(http.put(f"/runs/{run}", json=other), 409, "run-conflict")["detail"]
    assert 'commit is "selection" there and {"outcomes": 4} was sent' in said
    assert 'policy.type is "thompson" there and "signal" was sent' in said
    assert "absent" not in said, "a field of another type says nothing more"


def test_a_domain_that_joins_without_a_share_is_said(http: httpx.Client, pool: str) -> None:
    domains = {"algebra": 0.5, "sets": {"share": 0.5, "target": 0.2}}
    run = make(http, pool, policy={"type": "thompson", "domains": domains})
    assert http.get(f"/runs/{run}").json()["warnings"] == []
    add_tasks(http, pool, [{"id": "new", "domain": "logic"}])
    (warning,) = http.get(f"/runs/{run}").json()["warnings"]
    assert "'logic'" in warning
    shares = {"algebra": 0.4, "sets": 0.4, "logic": 0.2}
    http.patch(f"/runs/{run}", json={"policy": {"type": "thompson", "domains": shares}})
    assert http.get(f"/runs/{run}").json()["warnings"] == []
    assert "new" in select(http, run, 5)["tasks"]


def test_a_broken_task_is_excluded_from_a_run_and_retired_from_a_pool(http: httpx.Client, pool: str) -> None:
    run, other = (make(http, pool, share_leased=True) for _ in range(2))
    assert http.post(f"/runs/{run}/exclude", json={"tasks": ["task-0"]}).json() == {
        "changed": 1,
        "excluded": 1,
    }
    assert http.post(f"/runs/{run}/exclude", json={"tasks": ["task-0"]}).json() == {
        "changed": 0,
        "excluded": 1,
    }
    retired = http.post(f"/pools/{pool}/retire", json={"tasks": ["task-1", "task-0"]})
    assert retired.json() == {"changed": 2, "retired": 2}
    late = make(http, pool, share_leased=True)
    for each in (run, other, late):
        assert set(select(http, each, 8)["tasks"]) == EVERYTHING - {"task-0", "task-1"}
        assert http.get(f"/runs/{each}").json()["excluded"] == 2
    problem = assert_problem(http.post("/select", json={"run": run, "batch_size": 9}), 409, "batch-too-large")
    assert (problem["available"], problem["shortages"][0]["excluded"]) == (8, 2)
    http.post(f"/runs/{run}/include", json={"tasks": ["task-0", "task-1"]})
    assert set(select(http, run, 8)["tasks"]) == EVERYTHING - {"task-0", "task-1"}  # they stay retired
    http.post(f"/pools/{pool}/restore", json={"tasks": ["task-0", "task-1"]})
    for each in (run, other, late):
        assert set(select(http, each, 10)["tasks"]) == EVERYTHING


@pytest.mark.parametrize("call", ["/runs/{run}/exclude", "/runs/{run}/include", "/pools/{pool}/retire"])
def test_an_unknown_task_is_named_with_what_is_near_it(
    http: httpx.Client, pool: str, run: str, call: str
) -> None:
    before = everything(http, pool, run)
    answer = http.post(call.format(run=run, pool=pool), json={"tasks": ["task-1", "tsk-2"]})
    problem = assert_problem(answer, 404, "unknown-task")
    assert "'tsk-2'" in problem["detail"]
    assert "'task-2'" in problem["detail"]
    assert everything(http, pool, run) == before


def test_a_reference_is_measured_later(http: httpx.Client, pool: str, run: str) -> None:
    more = [{"id": "task-0", "references": {"late": 0.5}}, {"id": "task-1", "references": {"weak": 0.25}}]
    assert add_tasks(http, pool, more).json() == {"inserted": 0, "unchanged": 1, "extended": 1, "tasks": 10}
    assert http.get(f"/pools/{pool}").json()["reference_counts"] == {"weak": 10, "strong": 10, "late": 1}
    assert http.get(f"/pools/{pool}/tasks").json()["tasks"][0]["references"]["late"] == 0.5
    implicit = {"type": "interpolation", "weak": "late", "strong": "strong"}
    reader = make(http, pool, posterior={"type": "bots", "implicit": implicit})
    before = everything(http, pool, reader)
    refused = add_tasks(http, pool, [{"id": "task-1", "references": {"late": 0.5}}])
    assert reader in assert_problem(refused, 409, "reference-in-use")["detail"]
    assert everything(http, pool, reader) == before
    assert add_tasks(http, pool, [{"id": "new", "references": {"late": 0.5}}]).json()["inserted"] == 1
    # The order of easy-to-hard rests on all of them.
    by_hardness = make(http, pool, policy={"type": "easy-to-hard"})
    refused = add_tasks(http, pool, [{"id": "task-1", "references": {"another": 0.5}}])
    assert by_hardness in assert_problem(refused, 409, "reference-in-use")["detail"]
    http.patch(f"/runs/{by_hardness}", json={"policy": {"type": "random"}}).raise_for_status()
    assert add_tasks(http, pool, [{"id": "task-1", "references": {"another": 0.5}}]).json()["extended"] == 1
    conflict = add_tasks(http, pool, [{"id": "task-0", "references": {"weak": 0.375}}])
    detail = assert_problem(conflict, 409, "task-conflict")["detail"]
    assert all(word in detail for word in ("task-0", "references.weak", "0.25", "0.375"))
