"""Bad input changes nothing and says why (promise 6)."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.web.calls import TASKS, add_tasks, assert_problem, everything, fresh_name, report, seen, select
from tests.web.sockets import exchange, head

MARK = "Echo-4711"
"""Stands in what is sent, and must not stand in the answer unless it is the name of something."""
NUMBER = 47114711
"""Likewise."""
DEEP = b"[" * 50_000
MANY = json.dumps({f"{MARK}-{number}": 0 for number in range(1001)})
LONG = MARK + "x" * (300 - len(MARK))


@dataclass(frozen=True)
class Scene:
    """A pool and a run that have seen something, so that there is a state to be changed."""

    pool: str
    run: str
    selection: str
    tasks: list[str]
    other: str = field(repr=False)
    """A task of another selection."""


@pytest.fixture(scope="module")
def scene(http: httpx.Client) -> Scene:
    pool, run = fresh_name("pool"), fresh_name("run")
    http.put(f"/pools/{pool}")
    add_tasks(http, pool, TASKS)
    http.put(f"/runs/{run}", json={"pool": pool})
    done = select(http, run, 2)
    report(http, run, done["selection"], [seen(task) for task in done["tasks"]])
    other, selection = select(http, run, 2, key="other"), select(http, run, 2)
    return Scene(pool, run, selection["selection"], selection["tasks"], other["tasks"][0])


@pytest.fixture(autouse=True)
def _state_is_unchanged(http: httpx.Client, scene: Scene) -> Any:
    before = everything(http, scene.pool, scene.run)
    yield
    assert everything(http, scene.pool, scene.run) == before


def assert_refused(answer: httpx.Response, status: int, code: str, words: str) -> None:
    """A problem whose detail has these words. It does not repeat what was sent, but for a name in the words."""
    assert words in assert_problem(answer, status, code)["detail"]
    assert MARK in words or MARK not in answer.text
    assert str(NUMBER) not in answer.text


def outcome(scene: Scene, **changes: Any) -> dict[str, Any]:
    values = {"task": scene.tasks[0], "successes": 1, "trials": 2} | changes
    return {name: value for name, value in values.items() if value is not ...}


OUTCOMES: list[tuple[dict[str, Any], str]] = [
    ({"successes": float("nan")}, "successes: "),
    ({"successes": float("inf")}, "successes: "),
    ({"successes": float("-inf")}, "successes: "),
    ({"successes": -NUMBER}, "successes: "),
    ({"successes": 3}, "successes must not exceed trials"),
    ({"successes": "1"}, "successes: "),
    ({"successes": MARK}, "successes: "),
    ({"successes": True}, "successes: "),
    ({"successes": int("1" * 400)}, "successes: "),
    ({"successes": ...}, "successes and trials"),
    ({"trials": 0}, "trials: "),
    ({"trials": -1}, "trials: "),
    ({"trials": 2.5}, "trials: "),
    ({"trials": NUMBER}, "trials: "),
    ({"trials": int("1" * 400)}, "trials: "),
    ({"rewards": [1]}, "successes and trials, or rewards"),
    ({"successes": ..., "trials": ..., "rewards": []}, "rewards: "),
    ({"successes": ..., "trials": ..., "rewards": [0.5, 1.5]}, "rewards[1]: "),
    ({"successes": ..., "trials": ..., "rewards": [float("nan")]}, "rewards[0]: "),
    ({"task": LONG}, "task: "),
    ({"task": ""}, "task: "),
    ({"task": "\ud800" + MARK}, "task: "),
    ({"task": None}, "task: "),
    ({"task": True}, "task: give text or an integer"),
    ({"task": 1.0}, "task: give text or an integer"),
    ({"reward": MARK}, "reward: "),
]


@pytest.mark.parametrize(("changes", "words"), OUTCOMES)
def test_a_wrong_outcome(http: httpx.Client, scene: Scene, changes: dict[str, Any], words: str) -> None:
    outcomes = [outcome(scene), outcome(scene, task=scene.tasks[1]) | changes]
    outcomes[1] = {name: value for name, value in outcomes[1].items() if value is not ...}
    body = json.dumps({"run": scene.run, "selection": scene.selection, "outcomes": outcomes})
    answer = http.post("/report", content=body, headers={"Content-Type": "application/json"})
    assert_refused(answer, 422, "invalid-request", words)
    assert "outcomes[1]" in answer.json()["detail"]


def test_numbers_that_only_json_can_write(http: httpx.Client, scene: Scene) -> None:
    body = json.dumps({"run": scene.run, "selection": scene.selection, "outcomes": [outcome(scene)]})
    headers = {"Content-Type": "application/json"}
    for text in ("1e999", "-1e999", "NaN", "Infinity", "1" + "0" * 4000):
        sent = body.replace('"successes": 1', f'"successes": {text}')
        answer = http.post("/report", content=sent, headers=headers)
        assert_refused(answer, 422, "invalid-request", "outcomes[0].successes: ")


REPORTS: list[tuple[dict[str, Any], int, str, str]] = [
    ({"outcomes": []}, 422, "invalid-request", "outcomes"),
    ({"outcomes": {}}, 422, "invalid-request", "outcomes: "),
    ({"selection": MARK}, 404, "unknown-selection", "selection"),
    ({"selection": LONG}, 422, "invalid-request", "selection: "),
    ({"selection": None}, 422, "invalid-request", "selection, or key"),
    ({"selection": None, "key": "k", "final": True}, 422, "invalid-request", "final"),
    ({"key": "k"}, 422, "invalid-request", "selection, or key"),
    ({"run": MARK}, 404, "unknown-run", f"run: there is none named '{MARK}'"),
    ({"run": None}, 422, "invalid-request", "run: "),
    ({"run": f"{MARK}/a"}, 422, "invalid-request", "run: "),
    ({"outcomes": [seen("task-0")] * 10_001}, 422, "invalid-request", "outcomes: "),
    ({"final": "yes"}, 422, "invalid-request", "final: "),
    ({"last": MARK}, 422, "invalid-request", "last: "),
    ({"\ud800": MARK}, 422, "invalid-request", "unicode"),
    ({"new\nline": MARK}, 422, "invalid-request", "new?line: "),
    ({"outcomes": [seen(MARK)]}, 422, "task-not-in-selection", f"outcomes[0].task: '{MARK}'"),
    (
        {"selection": None, "key": "k", "outcomes": [seen(MARK)]},
        422,
        "invalid-request",
        f"outcomes[0].task: there is no task '{MARK}'",
    ),
]


@pytest.mark.parametrize(("changes", "status", "code", "words"), REPORTS)
def test_a_wrong_report(
    http: httpx.Client, scene: Scene, changes: dict[str, Any], status: int, code: str, words: str
) -> None:
    body = {"run": scene.run, "selection": scene.selection, "outcomes": [outcome(scene)]} | changes
    headers = {"Content-Type": "application/json"}
    assert_refused(http.post("/report", content=json.dumps(body), headers=headers), status, code, words)


PADDING = " " * (100 << 10)
"""Makes a body so large that it is read beside the event loop."""


@pytest.mark.parametrize(
    ("outcomes", "status", "code", "words"),
    [
        ([seen("a"), {"task": "b", "rewards": [1] * 999_999 + [2]}], 422, "invalid-request", "rewards[999999]: "),
        ([{"task": "a", "rewards": [2] * 1_000_000}] * 2, 422, "invalid-request", "outcomes[0].rewards[0]: "),
        ([{"task": "a", "rewards": [0] * 1_000_001}], 422, "invalid-request", "outcomes[0].rewards: "),
        ([{"task": f"{number}", MARK[:4]: 0} for number in range(10_000)], 422, "invalid-request", "outcomes[0]."),
        ([{}] * 1_000_000, 422, "invalid-request", "outcomes"),
        ([{MARK: 0, str(number): 0} for number in range(10_001)], 422, "invalid-request", "outcomes"),
        ([json.loads(MANY)] * 10, 400, "invalid-json", "more than 1000 members"),
        ([seen(MARK)], 422, "task-not-in-selection", "outcomes[0].task"),
    ],
)  # fmt: skip
def test_a_large_report_is_refused_at_its_first_mistake(
    http: httpx.Client, scene: Scene, outcomes: list[Any], status: int, code: str, words: str
) -> None:
    sent = {"run": scene.run, "selection": scene.selection, "outcomes": outcomes}
    headers = {"Content-Type": "application/json"}
    answer = http.post("/report", content=PADDING + json.dumps(sent), headers=headers)
    assert words in assert_problem(answer, status, code)["detail"]
    assert len(answer.text) < 1000


@pytest.mark.parametrize(
    ("body", "words"),
    [('{"run": "a", "run": "b"}', "run: "), ('{"run":', "character"), (DEEP.decode(), "deep")],
)
def test_a_large_body_that_cannot_be_read(http: httpx.Client, body: str, words: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = http.post("/report", content=PADDING + body, headers=headers)
    assert_refused(answer, 400, "invalid-json", words)


def test_a_task_of_another_selection(http: httpx.Client, scene: Scene) -> None:
    outcomes = [outcome(scene), outcome(scene, task=scene.other)]
    answer = http.post("/report", json={"run": scene.run, "selection": scene.selection, "outcomes": outcomes})
    assert_refused(answer, 422, "task-not-in-selection", "outcomes[1].task")


SELECTS: list[tuple[dict[str, Any], int, str, str]] = [
    ({"batch_size": 0}, 422, "invalid-request", "batch_size: "),
    ({"batch_size": -1}, 422, "invalid-request", "batch_size: "),
    ({"batch_size": 1.5}, 422, "invalid-request", "batch_size: "),
    ({"batch_size": "1"}, 422, "invalid-request", "batch_size: "),
    ({"batch_size": NUMBER}, 422, "invalid-request", "batch_size: "),
    ({"batch_size": int("1" * 400)}, 422, "invalid-request", "batch_size: "),
    ({"batch_size": float("nan")}, 422, "invalid-request", "batch_size: "),
    ({"batch_size": 7}, 409, "batch-too-large", "batch_size: "),
    ({"batch_size": 10_000}, 409, "batch-too-large", "batch_size: "),
    ({"batch_size": 10_001}, 422, "invalid-request", "batch_size: "),
    ({"batch_size": 3, "key": "other"}, 409, "key-conflict", "batch_size: "),
    ({"batch_size": 2, "key": "other", "explain": True}, 409, "not-explained", "explain: "),
    ({"run": MARK}, 404, "unknown-run", f"run: there is none named '{MARK}'"),
    ({"run": LONG}, 422, "invalid-request", "run: "),
    ({"run": f"{MARK}/a"}, 422, "invalid-request", "run: names of pools and runs hold no slash"),
    ({"run": "."}, 422, "invalid-request", "run: "),
    ({"key": LONG}, 422, "invalid-request", "key: "),
    ({"key": ""}, 422, "invalid-request", "key: "),
    ({"explain": 1}, 422, "invalid-request", "explain: "),
    ({"size": MARK}, 422, "invalid-request", "size: "),
]


@pytest.mark.parametrize(("changes", "status", "code", "words"), SELECTS)
def test_a_wrong_select(
    http: httpx.Client, scene: Scene, changes: dict[str, Any], status: int, code: str, words: str
) -> None:
    body = json.dumps({"run": scene.run, "batch_size": 1} | changes)
    answer = http.post("/select", content=body, headers={"Content-Type": "application/json"})
    assert_refused(answer, status, code, words)
    if code == "batch-too-large":
        assert answer.json()["available"] == 6


CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"pool": f"{MARK}/a"}, "pool: names of pools and runs hold no slash"),
    ({"pool": ".."}, "pool: "),
    ({"seed": -1}, "seed: "),
    ({"seed": 2**63}, "seed: "),
    ({"lease_seconds": 0}, "lease_seconds: "),
    ({"lease_seconds": 1e9}, "lease_seconds: "),
    ({"posterior": {"type": MARK}}, "posterior: type must be one of 'bots'"),
    ({"posterior": {"type": "bots", "prior": [1, 0]}}, "posterior.prior[1]: "),
    ({"posterior": {"type": "bots", "prior": [1e-40, 1e-40]}}, "posterior.prior[0]: "),
    ({"posterior": {"type": "bots", "forgetting": 1.5}}, "posterior.forgetting: "),
    ({"implicit": {"type": MARK}}, "implicit: type must be one of"),
    ({"implicit": {}}, "implicit: "),
    ({"implicit": {"type": "interpolation", "weak": "weak"}}, "posterior.implicit.strong: "),
    ({"implicit": {"type": "interpolation", "weak": MARK, "strong": MARK}}, "two different references"),
    ({"policy": {"type": "thompson", "target": -0.1}}, "policy.target: "),
    ({"policy": {"type": "random", "target": 0.5}}, "target: "),
    ({"policy": {"type": "random", "domains": {"algebra": 0.6}}}, "shares must sum to 1"),
]


@pytest.mark.parametrize(("changes", "words"), CONFIGS)
def test_a_wrong_configuration(http: httpx.Client, scene: Scene, changes: dict[str, Any], words: str) -> None:
    answer = http.put(f"/runs/{fresh_name('run')}", json={"pool": scene.pool} | changes)
    assert_refused(answer, 422, "invalid-request", words)


def test_another_configuration_of_a_run(http: httpx.Client, scene: Scene) -> None:
    answer = http.put(f"/runs/{scene.run}", json={"pool": scene.pool, "seed": NUMBER})
    assert f"seed is 0 there and {NUMBER} was sent" in assert_problem(answer, 409, "run-conflict")["detail"]


BODIES: list[tuple[str, bytes, int, str, str]] = [
    ("application/json", b"", 422, "invalid-request", "body: "),
    ("application/json", b'{"run": "' + MARK.encode(), 400, "invalid-json", "character "),
    ("application/json", b'{"run": "\xff' + MARK.encode() + b'"}', 400, "invalid-json", "UTF-8"),
    ("application/json", b'{"batch_size": ' + b"4" * 10_000 + b"}", 400, "invalid-json", "digits"),
    ("application/json", DEEP, 400, "invalid-json", "deep"),
    ("application/json", b'{"run": "' + MARK.encode() + b'", "run": "b"}', 400, "invalid-json", "run: "),
    ("application/json", MANY.encode(), 400, "invalid-json", "more than 1000 members"),
    ("application/json", f'["{MARK}"]'.encode(), 422, "invalid-request", "body: "),
    ("application/json", b"null", 422, "invalid-request", "body: "),
    ("text/plain", f'{{"run": "{MARK}"}}'.encode(), 415, "unsupported-media-type", "Content-Type: "),
    ("", f'{{"run": "{MARK}"}}'.encode(), 415, "unsupported-media-type", "Content-Type: "),
]


@pytest.mark.parametrize(("content_type", "body", "status", "code", "words"), BODIES)
@pytest.mark.parametrize(("method", "path"), [("POST", "/select"), ("POST", "/report"), ("PUT", "/runs/new")])
def test_a_body_that_cannot_be_read(
    http: httpx.Client,
    method: str,
    path: str,
    content_type: str,
    body: bytes,
    status: int,
    code: str,
    words: str,
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert_refused(http.request(method, path, content=body, headers=headers), status, code, words)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"pool": "a", "x": json.loads("[" * 400 + "]" * 400)}, "body: "),
        ({"pool": "a", "x": json.loads("[" * 800 + "]" * 800)}, "body: "),
        ({"pool": "\ud800"}, "pool: "),
        ({"pool": "a", "policy": {"type": "random", "domains": {"\ud800": 1}}}, "policy.domains[key]: "),
    ],
    ids=["a deep one", "a deeper one", "half a pair", "half a pair as a name"],
)
def test_a_configuration_that_no_json_of_ours_can_hold(
    http: httpx.Client, body: dict[str, Any], words: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = http.put(f"/runs/{fresh_name('run')}", content=json.dumps(body), headers=headers)
    assert_refused(answer, 422, "invalid-request", words)


def parquet(**columns: list[Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


NDJSON, JSON, PARQUET = "application/x-ndjson", "application/json", "application/vnd.apache.parquet"
GOOD = b'{"id": "good"}'
UPLOADS: list[tuple[str, bytes, int, str, str]] = [
    (NDJSON, b"", 422, "invalid-request", "body: "),
    (JSON, b"[]", 422, "invalid-request", "body: "),
    (JSON, GOOD, 422, "invalid-request", "body: "),
    (JSON, b"[" + GOOD + b', {"id": "' + LONG.encode() + b'"}]', 422, "invalid-request", "task 1.id: "),
    (JSON, DEEP, 400, "invalid-json", "deep"),
    (NDJSON, GOOD + b"\n" + DEEP, 400, "invalid-json", "line 2: "),
    (NDJSON, GOOD + b"\n\n" + GOOD, 400, "invalid-json", "line 2: "),
    (NDJSON, GOOD + b"," + GOOD, 400, "invalid-json", "line 1: "),
    (NDJSON, GOOD + b'\n{"id": "a", "id": "b"}', 400, "invalid-json", "line 2: id: "),
    (NDJSON, GOOD + b'\n{"id": "\xff"}', 400, "invalid-json", "line 2: "),
    (NDJSON, GOOD + b'\n{"id": "\\ud800"}', 422, "invalid-request", "line 2.id: "),
    (NDJSON, GOOD + b'\n{"id": 1.5}', 422, "invalid-request", "line 2.id: "),
    (NDJSON, GOOD + b'\n{"id": ""}', 422, "invalid-request", "line 2.id: "),
    (NDJSON, GOOD + b'\n{"id": "a", "hint": "' + MARK.encode() + b'"}', 422, "invalid-request", "hint: "),
    *(
        (NDJSON, GOOD + b'\n{"id": "a", "references": {"weak": ' + rate + b"}}", 422, "invalid-request", "weak: ")
        for rate in (b"NaN", b"1e999", b"-0.1", b"1.5", b'"1"', b"null", b"true", b"1" * 400)
    ),
    (NDJSON, GOOD + b'\n{"id": "task-0", "domain": "other"}', 409, "task-conflict", "task 1 of the body"),
    (PARQUET, b"", 422, "invalid-parquet", "body: "),
    (PARQUET, b"PAR1" + MARK.encode() + b"PAR1", 422, "invalid-parquet", "body: "),
    (PARQUET, parquet(id=["good"])[:-10] + b"PAR1", 422, "invalid-parquet", "body: "),
    (PARQUET, parquet(id=["good", LONG]), 422, "invalid-parquet", "256 characters"),
    (PARQUET, parquet(id=["good", ""]), 422, "invalid-request", "row 1.id: "),
    (PARQUET, parquet(id=["good"], references=[{"weak": 1.5}]), 422, "invalid-request", "row 0.references.weak: "),
    ("application/octet-stream", parquet(id=["good"]), 415, "unsupported-media-type", "Content-Type: "),
    ("", GOOD, 415, "unsupported-media-type", "Content-Type: "),
]  # fmt: skip


@pytest.mark.parametrize(("content_type", "body", "status", "code", "words"), UPLOADS)
def test_a_wrong_upload(
    http: httpx.Client, scene: Scene, content_type: str, body: bytes, status: int, code: str, words: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = http.post(f"/pools/{scene.pool}/tasks", content=body, headers=headers)
    assert_refused(answer, status, code, words)


QUERIES: list[tuple[str, int, str, str]] = [
    ("/posteriors?cursor=-1", 422, "invalid-request", "cursor: "),
    (f"/posteriors?cursor={MARK}", 422, "invalid-request", "cursor: "),
    (f"/posteriors?task={MARK}", 404, "unknown-task", f"task: there is no task '{MARK}'"),
    (f"/posteriors?task={LONG}", 422, "invalid-request", "task[0]: "),
    ("/posteriors?" + "task=a&" * 101, 422, "invalid-request", "task: "),
    ("/events?after=-1", 422, "invalid-request", "after: "),
    (f"/events?after={MARK}", 422, "invalid-request", "after: "),
    ("/events?after=1e3", 422, "invalid-request", "after: "),
]


@pytest.mark.parametrize(("query", "status", "code", "words"), QUERIES)
def test_a_wrong_query(
    http: httpx.Client, scene: Scene, query: str, status: int, code: str, words: str
) -> None:
    assert_refused(http.get(f"/runs/{scene.run}{query}"), status, code, words)


@pytest.mark.parametrize("kind", ["pool", "run"])
def test_a_name_of_300_characters(http: httpx.Client, kind: str) -> None:
    for method in ("GET", "DELETE"):
        answer = http.request(method, f"/{kind}s/{LONG}")
        assert_refused(answer, 422, "invalid-request", f"{kind}: ")
    assert_refused(http.put(f"/{kind}s/{LONG}", json={"pool": "p"}), 422, "invalid-request", f"{kind}: ")


@pytest.mark.parametrize("kind", ["pool", "run"])
def test_a_name_with_a_slash_in_an_address(http: httpx.Client, kind: str) -> None:
    answer = http.put(f"/{kind}s/{MARK}%2Fa", json={})
    assert_refused(answer, 404, "not-found", "names of pools and runs hold no slash")


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_clients_would_resolve(service_url: str, name: str) -> None:
    status, _, problem = exchange(service_url, head("GET", f"/runs/{name}"))
    assert (status, problem["code"]) == (422, "invalid-request")
    assert "run: " in problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/runs/a%2Fb", 404, "not-found"),
        ("GET", "/runs/a/", 404, "not-found"),
        ("GET", "/select", 405, "method-not-allowed"),
        ("POST", "/runs/a", 405, "method-not-allowed"),
    ],
)
def test_an_address_or_a_method_that_is_not_there(
    http: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    answer = http.request(method, path)
    assert_problem(answer, status, code)
    allowed = {"/select": "POST", "/runs/a": "DELETE, GET, PATCH, PUT"}
    assert answer.headers.get("Allow") == allowed.get(path if status == 405 else "")
