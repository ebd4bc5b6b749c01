"""Operators: what there is, by pages; and the course of a run."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from unittest.mock import AsyncMock, Mock

import httpx
import pyarrow.parquet as pq
import pytest

from selector_api.web.app_state import AppState
from selector_api.web.auth import Caller
from selector_api.web.routes.runs import list_runs
from tests.web.calls import TASKS, assert_problem, events, report, seen, select


def listed(http: httpx.Client, path: str, name: str, **asked: Any) -> list[dict[str, Any]]:
    """All rows of a list, page by page."""
    rows: list[dict[str, Any]] = []
    while True:
        page = http.get(path, params=asked).raise_for_status().json()
        assert len(page[name]) <= asked.get("limit", 10_000)
        rows += page[name]
        if page["next"] is None:
            return rows
        asked["cursor"] = page["next"]


def test_pools_and_runs_are_listed_until_they_are_deleted(http: httpx.Client, pool: str, run: str) -> None:
    selection = select(http, run, 3)
    report(http, run, selection["selection"], [seen(task) for task in selection["tasks"]])
    select(http, run, 2)
    assert {"pool": pool, "tasks": 10, "runs": 1} in listed(http, "/pools", "pools", limit=2)
    (row,) = listed(http, "/runs", "runs", pool=pool)
    assert row in listed(http, "/runs", "runs", limit=2)
    assert row.pop("last_commit_at") is not None
    assert row == {
        "run": run,
        "pool": pool,
        "posterior": "bots",
        "policy": "thompson",
        "step": 1,
        "tasks": 10,
        "open": 1,
    }
    assert http.delete(f"/runs/{run}").status_code == 204
    assert http.delete(f"/pools/{pool}").status_code == 204
    assert run not in {row["run"] for row in listed(http, "/runs", "runs")}
    assert pool not in {row["pool"] for row in listed(http, "/pools", "pools")}
    assert_problem(http.get("/runs", params={"pool": pool}), 404, "unknown-pool")


@pytest.mark.anyio
async def test_the_runs_of_a_pool_are_listed_without_its_tasks() -> None:
    pools = Mock(spec=["counts", "registered"])  # of ten million tasks, say
    pools.counts = AsyncMock(return_value=(10_000_000, 0))
    pools.registered = AsyncMock(return_value={})
    page = await list_runs(AppState(Mock(pools=pools), Mock(), Mock(), Mock()), Caller(), "pool", "", 100)
    assert (page.runs, page.next) == ([], None)


def test_a_pool_gives_its_tasks_and_takes_them_back(http: httpx.Client, pool: str) -> None:
    rows = listed(http, f"/pools/{pool}/tasks", "tasks", limit=3)
    assert rows == TASKS
    answer = http.get(f"/pools/{pool}/tasks", headers={"Accept": "application/vnd.apache.parquet"})
    assert pq.read_table(BytesIO(answer.content)).to_pylist(maps_as_pydicts="strict") == TASKS
    headers = {"Content-Type": "application/vnd.apache.parquet"}
    receipt = http.post(f"/pools/{pool}/tasks", content=answer.content, headers=headers)
    assert receipt.json()["unchanged"] == 10, receipt.text
    http.post(f"/pools/{pool}/retire", json={"tasks": ["task-3"]})
    retired = [row["id"] for row in listed(http, f"/pools/{pool}/tasks", "tasks") if row.get("retired")]
    assert retired == ["task-3"]


def test_selections_are_listed_by_their_status(http: httpx.Client, run: str) -> None:
    committed, released, opened = (select(http, run, 2, key=key) for key in ("a", "b", "c"))
    report(http, run, committed["selection"], [seen(task) for task in committed["tasks"]])
    report(http, run, released["selection"], [], final=True)
    for status, selection in (("committed", committed), ("released", released), ("open", opened)):
        (row,) = listed(http, f"/runs/{run}/selections", "selections", status=status)
        assert (row["selection"], row["status"], row["tasks"]) == (
            selection["selection"],
            status,
            selection["tasks"],
        )
        assert row["expires_at"] == selection["expires_at"]
    rows = listed(http, f"/runs/{run}/selections", "selections", limit=1)
    assert [row["key"] for row in rows] == ["a", "b", "c"]


def test_posteriors_are_sorted_and_narrowed(http: httpx.Client, run: str) -> None:
    selection = select(http, run, 10)
    report(http, run, selection["selection"], [seen(f"task-{k}", k, 10) for k in range(10)])
    path = f"/runs/{run}/posteriors"
    ascending = [row["task"] for row in listed(http, path, "posteriors", sort="mean", limit=3)]
    assert ascending == [f"task-{k}" for k in range(10)]
    assert [row["task"] for row in listed(http, path, "posteriors", sort="-mean")] == ascending[::-1]
    sets = listed(http, path, "posteriors", domain="sets")
    assert [row["task"] for row in sets] == ["task-1", "task-3", "task-5", "task-7", "task-9"]
    assert all(row["domain"] == "sets" and row["trials"] == 10 for row in sets)
    assert (
        "'algebra'"
        in assert_problem(http.get(path, params={"domain": "algbra"}), 422, "unknown-domain")["detail"]
    )


def test_the_course_of_a_run_is_told_in_as_many_points_as_are_asked_for(http: httpx.Client, run: str) -> None:
    for step in range(40):
        selection = select(http, run, 2)
        report(http, run, selection["selection"], [seen(task, step % 3) for task in selection["tasks"]])
    assert len(events(http, run)) == 81
    assert len(http.get(f"/runs/{run}/events", params={"after": 3, "limit": 5}).text.splitlines()) == 5
    whole = http.get(f"/runs/{run}/history").json()
    assert [point["step"] for point in whole["points"]] == list(range(1, 41))
    few = http.get(f"/runs/{run}/history", params={"points": 10}).json()["points"]
    assert [point["step"] for point in few] == list(range(4, 41, 4))
    assert sum(point["groups"] for point in few) == 80
    assert few[-1]["never_selected"] == http.get(f"/runs/{run}").json()["never_selected"]
    assert [sum(each["tasks"]) for each in whole["difficulty"]] == [10, 10, 10]
    calibration = http.get(f"/runs/{run}").json()["calibration"]
    assert calibration["groups"] == 80
    assert sum(each["groups"] for each in calibration["bins"]) == 80
    assert calibration["seen"] == pytest.approx(sum(p["seen"] * p["groups"] for p in few) / 80)
