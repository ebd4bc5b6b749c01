"""Tokens that are limited to runs and pools."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import httpx
import pytest

from selector_api.store.connection import connect
from selector_api.store.tokens import Tokens
from tests.service import Service
from tests.web.calls import TASKS, add_tasks, assert_problem, report, seen, select

LIMITS = {"runs": ["math-*", "shared"], "pools": ["math-*"]}


@pytest.fixture(scope="module")
def tokens(guarded: Service) -> dict[str, str]:
    """An admin's token, one limited to some runs and pools by scope, and one to a single run."""

    async def create() -> dict[str, str]:
        async with connect(guarded.redis_url) as redis:
            stored = Tokens(redis)
            return {
                "all": await stored.create("all", ["admin"]),
                "admin": await stored.create("admin", ["admin"], **LIMITS),
                "train": await stored.create("train", ["train"], runs=["math-1"], pools=[]),
            }

    return asyncio.run(create())


def client_of(service: Service, token: str) -> httpx.Client:
    return httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


@pytest.fixture(scope="module")
def https(guarded: Service, tokens: dict[str, str]) -> Iterator[dict[str, httpx.Client]]:
    """A client by token. There are the pools math-a and code-a, each with the run -1."""
    clients = {name: client_of(guarded, token) for name, token in tokens.items()}
    for kind in ("math", "code"):
        pool = f"{kind}-a"
        clients["all"].put(f"/pools/{pool}", json={}).raise_for_status()
        add_tasks(clients["all"], pool, TASKS).raise_for_status()
        clients["all"].put(f"/runs/{kind}-1", json={"pool": pool}).raise_for_status()
    yield clients
    for client in clients.values():
        client.close()


def test_a_limited_token_does_its_work(https: dict[str, httpx.Client]) -> None:
    http = https["train"]
    selection = select(http, "math-1")
    report(http, "math-1", selection["selection"], [seen(task) for task in selection["tasks"]])
    for part in ("", "/posteriors", "/events"):
        assert http.get(f"/runs/math-1{part}").status_code == 200


def test_an_admin_can_be_limited(https: dict[str, httpx.Client]) -> None:
    http = https["admin"]
    assert http.put("/pools/math-new", json={}).status_code == 201
    assert add_tasks(http, "math-new", TASKS).status_code == 200
    for run in ("math-new", "shared"):
        assert http.put(f"/runs/{run}", json={"pool": "math-new"}).status_code == 201
        assert http.delete(f"/runs/{run}").status_code == 204
    assert http.delete("/pools/math-new").status_code == 204


def calls(service: Service, run: str, pool: str) -> Iterator[tuple[str, str, dict]]:
    """Every call but the open ones and the lists, for this run and pool: method, path and body."""
    bodies = {
        "/select": {"run": run, "batch_size": 1},
        "/report": {"run": run, "selection": "s1", "outcomes": [seen("task-1")]},
        "/runs/{run}": {"pool": pool},
    }
    for path, operations in httpx.get(f"{service.url}/openapi.json").json()["paths"].items():
        if path not in ("/healthz", "/readyz", "/pools", "/runs"):
            for method in operations:
                yield method, path.format(run=run, pool=pool, selection="s1"), bodies.get(path, {})


@pytest.mark.parametrize("holder", ["admin", "train"])
def test_every_call_for_other_runs_and_pools_is_refused(
    guarded: Service, https: dict[str, httpx.Client], holder: str
) -> None:
    before = [https["all"].get(f"/runs/code-1{part}").content for part in ("", "/events", "/posteriors")]
    asked = list(calls(guarded, "code-1", "code-a"))
    assert len(asked) >= 12
    for method, path, body in asked:
        assert_problem(https[holder].request(method, path, json=body), 403, "forbidden")
    after = [https["all"].get(f"/runs/code-1{part}").content for part in ("", "/events", "/posteriors")]
    assert after == before


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("GET", "/runs/math", {}, "run"),
        ("GET", "/runs/MATH-1", {}, "run"),
        ("GET", "/runs/code%2D1", {}, "run"),
        ("POST", "/select", {"run": "code-1", "batch_size": 1}, "run"),
        ("PUT", "/runs/math-2", {"pool": "code-a"}, "pool"),
        ("PUT", "/runs/code-2", {"pool": "math-a"}, "run"),
        ("DELETE", "/pools/code-a", {}, "pool"),
        ("GET", "/runs?pool=code-a", {}, "pool"),
        ("GET", "/runs?pool=code-nowhere", {}, "pool"),
        ("GET", "/metrics", {}, "Authorization"),
        ("GET", "/nowhere", {}, "Authorization"),
    ],
)
def test_a_refusal_tells_the_field_and_nothing_else(
    https: dict[str, httpx.Client], method: str, path: str, body: dict, field: str
) -> None:
    problem = assert_problem(https["admin"].request(method, path, json=body), 403, "forbidden")
    assert problem["detail"].startswith(f"{field}: ")
    assert not re.search("code|math", problem["detail"])


@pytest.mark.parametrize("holder", ["admin", "train"])
def test_lists_tell_only_of_what_a_token_is_for(https: dict[str, httpx.Client], holder: str) -> None:
    assert "math-1" in https[holder].get("/runs").raise_for_status().text
    for what in ("runs", "pools"):
        assert "code" not in https[holder].get(f"/{what}").raise_for_status().text


@pytest.mark.parametrize("holder", ["admin", "train"])
def test_pages_of_lists_tell_only_of_what_a_token_is_for(https: dict[str, httpx.Client], holder: str) -> None:
    """Neither the entries nor where the next page begins, and every page but the last is full."""
    for number in (2, 3):
        https["all"].put(f"/runs/code-{number}", json={"pool": "code-a"}).raise_for_status()
        https["all"].put(f"/runs/math-{number}", json={"pool": "math-a"}).raise_for_status()
    asked = ["/runs", "/pools"] + ["/runs?pool=math-a"] * (holder == "admin")
    for path in asked:
        http, what = https[holder], path[1:].partition("?")[0]
        whole = [each[what[:-1]] for each in http.get(path).raise_for_status().json()[what]]
        found, cursor = [], ""
        while cursor is not None:
            page = http.get(path, params=httpx.URL(path).params.merge({"limit": 1, "cursor": cursor})).json()
            cursor = page["next"]
            assert "code" not in str(page)
            assert len(page[what]) == (cursor is not None)
            found += [each[what[:-1]] for each in page[what]]
        assert found == whole
        assert not any(name.startswith("code") for name in whole)


def test_a_token_without_limits_sees_everything(https: dict[str, httpx.Client]) -> None:
    https["all"].get("/runs/math-1").raise_for_status()
    metrics = https["all"].get("/metrics")
    assert metrics.status_code == 200
    assert 'run="math-1"' in metrics.text


def test_a_token_is_replaced_without_a_refused_call(guarded: Service, tokens: dict[str, str]) -> None:
    """Rotation: make the new one, give it to the callers, revoke the old one."""

    async def rotate() -> None:
        async with connect(guarded.redis_url) as redis:
            stored = Tokens(redis)
            old = await stored.create("pod", ["train"])
            async with httpx.AsyncClient(base_url=guarded.url, timeout=60) as http:

                async def status(token: str) -> int:
                    headers = {"Authorization": f"Bearer {token}"}
                    return (await http.get("/runs/math-1", headers=headers)).status_code

                while await status(old) == 401:  # within half a second
                    await asyncio.sleep(0.05)
                new = await stored.create("pod-2", ["train"])
                while await status(new) == 401:
                    assert await status(old) == 200
                    await asyncio.sleep(0.05)
                assert [await status(token) for token in (old, new)] == [200, 200]
                assert await stored.delete("pod")
                while await status(old) != 401:  # within five seconds
                    assert await status(new) == 200
                    await asyncio.sleep(0.05)
                assert await status(new) == 200

    asyncio.run(rotate())
