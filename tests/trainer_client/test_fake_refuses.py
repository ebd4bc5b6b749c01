"""The fake refuses what the service refuses: the bad input of `tests/web/test_bad_input.py`, sent to the fake."""

import json
from typing import Any

import httpx
import pytest

from tests.web.calls import TASKS, add_tasks, assert_problem, report, seen, select
from tests.web.test_bad_input import (
    BODIES,
    CONFIGS,
    LONG,
    OUTCOMES,
    PARQUET,
    QUERIES,
    REPORTS,
    SELECTS,
    UPLOADS,
    Scene,
    outcome,
)
from trainer_client import FakeSelector

JSON = {"Content-Type": "application/json"}
HARMLESS = [row for row in UPLOADS if row[0] != PARQUET]


@pytest.fixture
def fake() -> FakeSelector:
    return FakeSelector()


@pytest.fixture
def http(fake: FakeSelector) -> httpx.Client:
    return httpx.Client(base_url="http://selector", transport=fake.transport)


@pytest.fixture
def scene(http: httpx.Client) -> Scene:
    http.put("/pools/pool")
    add_tasks(http, "pool", TASKS)
    http.put("/runs/run", json={"pool": "pool"})
    done = select(http, "run", 2)
    report(http, "run", done["selection"], [seen(task) for task in done["tasks"]])
    other, selection = select(http, "run", 2, key="other"), select(http, "run", 2)
    return Scene("pool", "run", selection["selection"], selection["tasks"], other["tasks"][0])


@pytest.fixture(autouse=True)
def _nothing_happens(http: httpx.Client, scene: Scene) -> Any:
    def everything() -> list[str]:
        return [http.get(path).text for path in ("/pools/pool", "/runs/run", "/runs/run/events")]

    before = everything()
    yield
    assert everything() == before


def send(http: httpx.Client, method: str, path: str, body: Any) -> httpx.Response:
    """A body as JSON, also where JSON has no word for what it holds."""
    return http.request(method, path, content=json.dumps(body), headers=JSON)


@pytest.mark.parametrize("changes", [changes for changes, _ in OUTCOMES])
def test_a_wrong_outcome(http: httpx.Client, scene: Scene, changes: dict[str, Any]):
    wrong = outcome(scene, task=scene.tasks[1]) | changes
    outcomes = [outcome(scene), {name: value for name, value in wrong.items() if value is not ...}]
    body = {"run": scene.run, "selection": scene.selection, "outcomes": outcomes}
    assert_problem(send(http, "POST", "/report", body), 422, "invalid-request")


@pytest.mark.parametrize(("changes", "status", "code"), [row[:3] for row in REPORTS])
def test_a_wrong_report(http: httpx.Client, scene: Scene, changes: dict[str, Any], status: int, code: str):
    body = {"run": scene.run, "selection": scene.selection, "outcomes": [outcome(scene)]} | changes
    assert_problem(send(http, "POST", "/report", body), status, code)


@pytest.mark.parametrize(("changes", "status", "code"), [row[:3] for row in SELECTS])
def test_a_wrong_select(http: httpx.Client, scene: Scene, changes: dict[str, Any], status: int, code: str):
    body = {"run": scene.run, "batch_size": 1} | changes
    assert_problem(send(http, "POST", "/select", body), status, code)


@pytest.mark.parametrize("changes", [changes for changes, _ in CONFIGS])
def test_a_wrong_configuration(http: httpx.Client, scene: Scene, changes: dict[str, Any]):
    assert_problem(send(http, "PUT", "/runs/new", {"pool": scene.pool} | changes), 422, "invalid-request")


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({"type": "interpolation", "weak": "weak", "strong": "unknown"}, "unknown-reference"),
        ({"type": "interpolation", "weak": "unknown", "strong": "strong"}, "unknown-reference"),
    ],
)
def test_a_reference_that_the_pool_does_not_have(
    http: httpx.Client, scene: Scene, part: dict[str, Any], code: str
):
    body = {"pool": scene.pool, "posterior": {"type": "bots", "implicit": part}}
    assert_problem(send(http, "PUT", "/runs/new", body), 422, code)


def test_easy_to_hard_without_references(http: httpx.Client):
    http.put("/pools/bare").raise_for_status()
    policy = {"policy": {"type": "easy-to-hard"}}
    assert_problem(send(http, "PUT", "/runs/new", {"pool": "bare"} | policy), 422, "unknown-reference")
    http.put("/runs/plain", json={"pool": "bare"}).raise_for_status()
    assert_problem(send(http, "PATCH", "/runs/plain", policy), 422, "unknown-reference")


def test_a_domain_that_the_pool_does_not_have(http: httpx.Client, scene: Scene):
    policy = {"type": "random", "domains": {"algebra": 0.5, "unknown": 0.5}}
    body = {"pool": scene.pool, "policy": policy}
    assert_problem(send(http, "PUT", "/runs/new", body), 422, "unknown-domain")


@pytest.mark.parametrize(("media_type", "body", "status", "code"), [row[:4] for row in BODIES])
@pytest.mark.parametrize(("method", "path"), [("POST", "/select"), ("POST", "/report"), ("PUT", "/runs/new")])
def test_a_body_that_cannot_be_read(
    http: httpx.Client, method: str, path: str, media_type: str, body: bytes, status: int, code: str
):
    headers = {"Content-Type": media_type} if media_type else {}
    assert_problem(http.request(method, path, content=body, headers=headers), status, code)


@pytest.mark.parametrize(("media_type", "body", "status", "code"), [row[:4] for row in HARMLESS])
def test_a_wrong_upload(http: httpx.Client, media_type: str, body: bytes, status: int, code: str):
    headers = {"Content-Type": media_type} if media_type else {}
    assert_problem(http.post("/pools/pool/tasks", content=body, headers=headers), status, code)


@pytest.mark.parametrize(("query", "status", "code"), [row[:3] for row in QUERIES])
def test_a_wrong_query(http: httpx.Client, query: str, status: int, code: str):
    assert_problem(http.get(f"/runs/run{query}"), status, code)


@pytest.mark.parametrize("kind", ["pool", "run"])
def test_a_name_that_is_none(http: httpx.Client, kind: str):
    for method in ("GET", "PUT", "DELETE"):
        answer = http.request(method, f"/{kind}s/{LONG}", json={"pool": "p"})
        assert_problem(answer, 422, "invalid-request")
    assert_problem(http.put(f"/{kind}s/a%2Fb", json={}), 404, "not-found")
    assert_problem(http.get(f"/{kind}s/%2E%2E"), 422, "invalid-request")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/select", "POST"), ("POST", "/runs/a", "DELETE, GET, PATCH, PUT")],
)
def test_a_method_that_an_address_does_not_take(http: httpx.Client, method: str, path: str, allowed: str):
    answer = http.request(method, path)
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == allowed
