from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.web.calls import TASKS, add_tasks, assert_problem, everything, fresh_name


def test_put_makes_a_pool_once(http: httpx.Client) -> None:
    path = f"/pools/{fresh_name('pool')}"
    made, again = http.put(path, json={}), http.put(path)
    assert (made.status_code, again.status_code) == (201, 200)
    view = {"pool": path.removeprefix("/pools/"), "tasks": 0, "domains": {}, "references": []}
    assert made.json() == again.json() == http.get(path).json() == view


def test_a_pool_tells_its_tasks_by_domain_and_its_references(http: httpx.Client, pool: str) -> None:
    receipt = add_tasks(http, pool, [{"id": "plain"}, {"id": "said", "domain": "default"}]).json()
    assert receipt == {"inserted": 2, "unchanged": 0, "tasks": 12}
    view = http.get(f"/pools/{pool}").json()
    assert view["domains"] == {"algebra": 5, "sets": 5, "default": 2}
    assert sorted(view["references"]) == ["strong", "weak"]


def test_tasks_sent_again_change_nothing(http: httpx.Client, pool: str) -> None:
    receipt = add_tasks(http, pool, [*TASKS, {"id": "new"}, {"id": "new"}]).json()
    assert receipt == {"inserted": 1, "unchanged": 11, "tasks": 11}


@pytest.mark.parametrize(
    "other",
    [
        {"domain": "sets"},
        {"references": {"weak": 0.25, "strong": 0.8}},
        {"references": {"weak": 0.25}},
        {"references": {"weak": 0.25, "strong": 0.75, "third": 0.5}},
    ],
)
def test_an_id_with_other_values_is_a_conflict_and_nothing_is_inserted(
    http: httpx.Client, pool: str, run: str, other: dict[str, Any]
) -> None:
    before = everything(http, pool, run)
    problem = assert_problem(add_tasks(http, pool, [{"id": "new"}, TASKS[0] | other]), 409, "task-conflict")
    assert "task 1 of the body" in problem["detail"]
    twice = add_tasks(http, pool, [{"id": "new"}, {"id": "new", "domain": "sets"}])
    assert_problem(twice, 409, "task-conflict")
    assert everything(http, pool, run) == before


def test_new_tasks_enter_the_runs_of_their_pool(http: httpx.Client, pool: str, run: str) -> None:
    add_tasks(http, pool, [{"id": "late"}])
    assert http.get(f"/runs/{run}").json()["tasks"] == 11


def test_a_pool_is_deleted_when_no_run_draws_from_it(http: httpx.Client, pool: str, run: str) -> None:
    assert_problem(http.delete(f"/pools/{pool}"), 409, "pool-in-use")
    assert http.delete(f"/runs/{run}").status_code == 204
    deleted = http.delete(f"/pools/{pool}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    for answer in (http.get(f"/pools/{pool}"), http.delete(f"/pools/{pool}"), add_tasks(http, pool, TASKS)):
        assert_problem(answer, 404, "unknown-pool")
    assert http.put(f"/pools/{pool}").json()["tasks"] == 0
