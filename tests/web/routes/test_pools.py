from __future__ import annotations

import threading
from typing import Any
from unittest.mock import AsyncMock, Mock

import anyio
import anyio.from_thread
import anyio.lowlevel
import httpx
import pytest

from selector_api.core.task_rows import TaskRows
from selector_api.settings import Settings
from selector_api.store.pool_parts import Added
from selector_api.web.app import create_app
from selector_api.web.drain import Drain
from selector_api.web.routes import pools
from tests.web.calls import TASKS, add_tasks, assert_problem, everything, fresh_name


def test_put_makes_a_pool_once(http: httpx.Client) -> None:
    path = f"/pools/{fresh_name('pool')}"
    made, again = http.put(path, json={}), http.put(path)
    assert (made.status_code, again.status_code) == (201, 200)
    view = {"pool": path.removeprefix("/pools/"), "tasks": 0, "domains": {}, "references": []}
    view |= {"reference_counts": {}, "retired": 0}
    assert made.json() == again.json() == http.get(path).json() == view


def test_a_pool_tells_its_tasks_by_domain_and_its_references(http: httpx.Client, pool: str) -> None:
    receipt = add_tasks(http, pool, [{"id": "plain"}, {"id": "said", "domain": "default"}]).json()
    assert receipt == {"inserted": 2, "unchanged": 0, "extended": 0, "tasks": 12}
    view = http.get(f"/pools/{pool}").json()
    assert view["domains"] == {"algebra": 5, "sets": 5, "default": 2}
    assert sorted(view["references"]) == ["strong", "weak"]


def test_tasks_sent_again_change_nothing(http: httpx.Client, pool: str) -> None:
    receipt = add_tasks(http, pool, [*TASKS, {"id": "new"}, {"id": "new"}]).json()
    assert receipt == {"inserted": 1, "unchanged": 11, "extended": 0, "tasks": 11}


@pytest.mark.parametrize(
    "other",
    [
        {"domain": "sets"},
        {"references": {"weak": 0.25, "strong": 0.8}},
    ],
)
def test_an_id_with_other_values_is_a_conflict_and_nothing_is_inserted(
    http: httpx.Client, pool: str, run: str, other: dict[str, Any]
) -> None:
    before = everything(http, pool, run)
    problem = assert_problem(add_tasks(http, pool, [{"id": "new"}, TASKS[0] | other]), 409, "task-conflict")
    assert "task 1 of the body" in problem["detail"]
    assert repr(TASKS[0]["id"]) in problem["detail"]
    twice = add_tasks(http, pool, [{"id": "new", "domain": "algebra"}, {"id": "new", "domain": "sets"}])
    said = assert_problem(twice, 409, "task-conflict")["detail"]
    assert said.startswith("task 1 of the body: 'new': its domain is 'algebra' and 'sets' was sent")
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


@pytest.mark.anyio
async def test_bodies_are_read_one_at_a_time_while_probes_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, entered, leave = 0, anyio.Event(), threading.Event()

    def read_slowly(content_type: str, body: bytes) -> TaskRows:
        nonlocal at_work
        at_work += 1
        assert at_work == 1
        anyio.from_thread.run_sync(entered.set)
        assert leave.wait(60)
        at_work -= 1
        return TaskRows.of(["task"], ["default"], [{}])

    monkeypatch.setattr(pools, "read_tasks", read_slowly)
    store = Mock()
    store.tokens.any = AsyncMock(return_value=False)
    store.pools.add_tasks = AsyncMock(return_value=Added(1, 0, 1))
    app = create_app(Settings(), store, Drain())
    limiter: anyio.CapacityLimiter = app.state.app.import_limiter
    answers: list[int] = []
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    async with client as http, anyio.create_task_group() as tasks:

        async def upload() -> None:
            answers.append((await http.post("/pools/p/tasks", content=b"tasks")).status_code)

        tasks.start_soon(upload)
        await entered.wait()
        tasks.start_soon(upload)
        while not limiter.statistics().tasks_waiting:
            await anyio.lowlevel.checkpoint()
        assert (await http.get("/healthz")).status_code == 200
        leave.set()
    assert answers == [200, 200]
