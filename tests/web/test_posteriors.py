from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import httpx
import pyarrow.parquet as pq
import pytest

from selector_api.core.arrays import BoolArray
from selector_api.core.texts import Texts
from selector_api.settings import Settings
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.store import open_store
from selector_api.web import posteriors
from selector_api.web.app import create_app
from selector_api.web.drain import Drain
from selector_api.web.pages import MAX_TASKS_A_PAGE as PAGE
from tests.web.calls import add_tasks, assert_problem, fresh_name, report, seen, select

PARQUET = "application/vnd.apache.parquet"
SIZE = 2 * PAGE + 1


@pytest.fixture(scope="module")
def large(http: httpx.Client) -> str:
    """A run over more tasks than two pages hold, of which two were reported."""
    name = fresh_name("large")
    http.put(f"/pools/{name}")
    add_tasks(http, name, [{"id": f"task-{number}"} for number in range(SIZE)])
    http.put(f"/runs/{name}", json={"pool": name, "policy": {"type": "sequential"}})
    selection = select(http, name, 2)
    report(http, name, selection["selection"], [seen("task-0", 3, 4), seen("task-1", 0, 4)])
    return name


def rows_of(http: httpx.Client, run: str) -> list[dict[str, Any]]:
    """All rows, page by page."""
    rows: list[dict[str, Any]] = []
    asked: dict[str, str] = {}
    while True:
        page = http.get(f"/runs/{run}/posteriors", params=asked).raise_for_status().json()
        assert page["step"] == 1
        assert len(page["posteriors"]) <= PAGE
        rows += page["posteriors"]
        if page["next"] is None:
            return rows
        asked = {"cursor": page["next"]}


def test_pages_hold_every_task_once(http: httpx.Client, large: str) -> None:
    rows = rows_of(http, large)
    assert [row["task"] for row in rows] == [f"task-{number}" for number in range(SIZE)]
    alpha, beta = 0.9 * 1 + 0.1 * 1 + 3, 0.9 * 1 + 0.1 * 1 + 1
    assert rows[0] == {
        "task": "task-0",
        "mean": pytest.approx(alpha / (alpha + beta)),
        "sd": pytest.approx((alpha * beta / (alpha + beta + 1)) ** 0.5 / (alpha + beta)),
        "alpha": pytest.approx(alpha, rel=1e-9),
        "beta": pytest.approx(beta, rel=1e-9),
        "selected": 1,
        "last_step": 1,
        "domain": "default",
        "successes": 3,
        "trials": 4,
        "dropped": 0,
        "excluded": False,
        "references": {},
        "streak": 0,
    }
    untouched = {"mean": 0.5, "alpha": 1.0, "beta": 1.0, "selected": 0, "last_step": None}
    assert all(row.items() >= untouched.items() for row in rows[2:])


def test_a_parquet_file_holds_the_same_rows(http: httpx.Client, large: str) -> None:
    answer = http.get(f"/runs/{large}/posteriors", headers={"Accept": PARQUET})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, PARQUET)
    assert pq.read_table(io.BytesIO(answer.content)).to_pylist(maps_as_pydicts="strict") == rows_of(
        http, large
    )


def test_a_cursor_beyond_the_end_gives_nothing(http: httpx.Client, large: str) -> None:
    page = http.get(f"/runs/{large}/posteriors", params={"cursor": "9" * 18}).json()
    assert page == {"step": 1, "total": SIZE, "posteriors": [], "next": None}


def test_tasks_can_be_named(http: httpx.Client, large: str) -> None:
    path, named = f"/runs/{large}/posteriors", ["task-20000", "task-1", "task-20000"]
    page = http.get(path, params={"task": named}).json()
    assert [row["task"] for row in page["posteriors"]] == named
    assert page["next"] is None
    answer = http.get(path, params={"task": "task-1"}, headers={"Accept": PARQUET})
    rows = pq.read_table(io.BytesIO(answer.content)).to_pylist(maps_as_pydicts="strict")
    assert rows == page["posteriors"][1:2]
    for accept in (PARQUET, "application/json"):
        answer = http.get(path, params={"task": ["task-1", "nobody"]}, headers={"Accept": accept})
        assert_problem(answer, 404, "unknown-task")


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("*/*", "application/json"),
        ("text/html, application/*;q=0.8", "application/json"),
        ("Application/JSON", "application/json"),
        (f"{PARQUET}, application/json", PARQUET),
    ],
)
def test_the_caller_says_what_is_accepted(http: httpx.Client, run: str, accept: str, given: str) -> None:
    answer = http.get(f"/runs/{run}/posteriors", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, given)


def test_what_cannot_be_given_is_refused(http: httpx.Client, run: str) -> None:
    answer = http.get(f"/runs/{run}/posteriors", headers={"Accept": "text/csv"})
    assert "Accept: " in assert_problem(answer, 406, "not-acceptable")["detail"]


@pytest.mark.anyio
async def test_no_selection_waits_for_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a search made for whoever has its answer already; what joins meanwhile is found."""
    searches, entered, leave = 0, anyio.Event(), threading.Event()
    find = posteriors.containing

    def find_slowly(texts: Texts, text: str) -> BoolArray:
        nonlocal searches
        searches += 1
        found = find(texts, text)
        if searches == 1:
            anyio.from_thread.run_sync(entered.set)
            assert leave.wait(60), "the select waits for the search"
        return found

    monkeypatch.setattr(posteriors, "containing", find_slowly)
    async with EmbeddedValkey(tmp_path, fsync="everysec") as valkey, open_store(valkey.url) as store:
        transport = httpx.ASGITransport(create_app(Settings(), store, Drain()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            await http.put("/pools/p", json={})
            await http.post("/pools/p/tasks", json=[{"id": f"task-{number}"} for number in range(20)])
            await http.put("/runs/r", json={"pool": "p"})
            found: list[httpx.Response] = []

            async def search() -> None:
                found.append(await http.get("/runs/r/posteriors", params={"search": "sk-1"}))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(search)
                await entered.wait()
                selected = await http.post("/select", json={"run": "r", "batch_size": 2})
                assert selected.status_code == 200
                await http.post("/pools/p/tasks", json=[{"id": "task-100"}])
                leave.set()
            expected = ["task-1", *(f"task-{number}" for number in range(10, 20)), "task-100"]
            assert [row["task"] for row in found[0].json()["posteriors"]] == expected
            assert searches == 2
            known = {"If-None-Match": found[0].headers["ETag"]}
            again = await http.get("/runs/r/posteriors", params={"search": "sk-1"}, headers=known)
            assert (again.status_code, searches) == (304, 2)
