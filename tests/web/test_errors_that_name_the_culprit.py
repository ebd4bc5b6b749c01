"""What a newcomer types wrong is named, with what is near it and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.bots.conftest import Bots, bots
from tests.service import Service
from tests.web.calls import add_tasks, assert_problem, fresh_name, seen

__all__ = ["bots"]

RATES = {"qwen7": 0.5, "qwen30": 0.75}


class Scene(NamedTuple):
    """A pool of a few tasks, and a run over it."""

    pool: str
    run: str


@pytest.fixture(scope="module")
def scene(http: httpx.Client) -> Scene:
    pool, run = fresh_name("guru"), fresh_name("train")
    http.put(f"/pools/{pool}").raise_for_status()
    add_tasks(http, pool, [{"id": f"gsm8k-{n}", "domain": "math", "references": RATES} for n in range(12)])
    http.put(f"/runs/{run}", json={"pool": pool}).raise_for_status()
    return Scene(pool, run)


def detail(answer: httpx.Response, status: int, code: str) -> str:
    return assert_problem(answer, status, code)["detail"]


@pytest.mark.parametrize("kind", ["pool", "run"])
def test_a_pool_or_run_misspelt(http: httpx.Client, scene: Scene, kind: str) -> None:
    right = getattr(scene, kind)
    wrong = right[:-1]
    problem = assert_problem(http.get(f"/{kind}s/{wrong}"), 404, f"unknown-{kind}")
    assert problem["detail"].startswith(f"{kind}: there is none named '{wrong}'; near it: '{right}'")
    assert f"GET /{kind}s lists them" in problem["detail"]
    assert (problem["got"], problem["near"][0]) == (wrong, right)


def test_the_pool_of_a_new_run_misspelt(http: httpx.Client, scene: Scene) -> None:
    answer = http.put(f"/runs/{fresh_name('run')}", json={"pool": scene.pool[:-1]})
    assert f"near it: '{scene.pool}'" in detail(answer, 404, "unknown-pool")


def test_the_run_to_fork_misspelt(http: httpx.Client, scene: Scene) -> None:
    body = {"pool": scene.pool, "fork": {"run": scene.run[:-1]}}
    said = detail(http.put(f"/runs/{fresh_name('run')}", json=body), 404, "unknown-run")
    assert said.startswith(f"fork.run: there is none named '{scene.run[:-1]}'; near it: '{scene.run}'")


@pytest.mark.parametrize("what", ["exclude", "include"])
def test_a_task_of_many_misspelt(http: httpx.Client, scene: Scene, what: str) -> None:
    answer = http.post(f"/runs/{scene.run}/{what}", json={"tasks": ["gsm8k-1", "gsm8k_7"]})
    words = "tasks[1]: there is no task 'gsm8k_7'; near it: 'gsm8k-7'"
    assert words in detail(answer, 404, "unknown-task")


def test_a_run_again_with_another_configuration(http: httpx.Client, scene: Scene) -> None:
    body = {"pool": scene.pool, "posterior": {"type": "bots", "forgetting": 0.05}}
    said = detail(http.put(f"/runs/{scene.run}", json=body), 409, "run-conflict")
    assert "posterior.forgetting is 0.1 there and 0.05 was sent" in said
    assert "fork" in said


def test_a_batch_too_large_under_shares(http: httpx.Client) -> None:
    pool, run = fresh_name("pool"), fresh_name("run")
    http.put(f"/pools/{pool}").raise_for_status()
    domains = ["math"] * 50 + ["code"] * 3
    add_tasks(http, pool, [{"id": f"t{n}", "domain": domain} for n, domain in enumerate(domains)])
    config = {"pool": pool, "policy": {"type": "random", "domains": {"math": 0.5, "code": 0.5}}}
    http.put(f"/runs/{run}", json=config).raise_for_status()
    answer = http.post("/select", json={"run": run, "batch_size": 8})
    said = detail(answer, 409, "batch-too-large")
    assert "code" in said
    assert "3" in said
    assert answer.json()["available"] == 6


CONFIGS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"implicit": {"type": "interpolation", "weak": "qwen77", "strong": "qwen30"}},
        "unknown-reference",
        "posterior.implicit.weak: no task of the pool was measured with a reference named 'qwen77'; "
        "near it: 'qwen7', 'qwen30'",
    ),
    (
        {"policy": {"type": "random", "domains": {"maht": 1}}},
        "unknown-domain",
        "policy.domains: no task is of the domain 'maht'; near it: 'math'",
    ),
    (
        {"policy": {"type": "thompson", "tempreature": 1}},
        "invalid-request",
        "policy.tempreature: there is no such field; near it: 'temperature'",
    ),
    (
        {"posterior": {"type": "rasch", "forgetting": 0.1}},
        "invalid-request",
        "posterior.forgetting: it is a field of another type",
    ),
    (
        {"policy": {"type": "random", "power": 2}},
        "invalid-request",
        "policy.power: it is a field of another type",
    ),
    ({"sede": 1}, "invalid-request", "sede: there is no such field; near it: 'seed'"),
    (
        {"posterior": {"type": "bots", "implicit": {"type": "interpolation", "weak": "a", "strng": "b"}}},
        "invalid-request",
        "posterior.implicit.strng: there is no such field; near it: 'strong'",
    ),
    ({"policy": {"target": 0.5}}, "invalid-request", "policy: type must be one of 'thompson', "),
    (
        {"policy": {"type": "signal", "target": 0.5}},
        "invalid-request",
        "policy.target: it goes with another type: 'thompson', 'posterior-mean'",
    ),
    (
        {"posterior": {"type": "rasch", "forgetting": 0.01}},
        "invalid-request",
        "posterior.forgetting: it goes with another type: 'bots'",
    ),
]


@pytest.mark.parametrize(("changes", "code", "words"), CONFIGS)
def test_a_configuration_with_a_misspelt_name(
    http: httpx.Client, scene: Scene, changes: dict[str, Any], code: str, words: str
) -> None:
    answer = http.put(f"/runs/{fresh_name('run')}", json={"pool": scene.pool} | changes)
    assert words in detail(answer, 422, code)
    assert "discriminator" not in answer.text


def test_easy_to_hard_without_references(http: httpx.Client) -> None:
    pool, run, plain = fresh_name("pool"), fresh_name("run"), fresh_name("run")
    http.put(f"/pools/{pool}").raise_for_status()
    add_tasks(http, pool, [{"id": "a"}, {"id": "b"}])
    words = f"policy: easy-to-hard goes by the pass rates of references, and no task of pool '{pool}' has any"
    policy = {"policy": {"type": "easy-to-hard"}}
    assert words in detail(http.put(f"/runs/{run}", json={"pool": pool} | policy), 422, "unknown-reference")
    http.put(f"/runs/{plain}", json={"pool": pool}).raise_for_status()
    assert words in detail(http.patch(f"/runs/{plain}", json=policy), 422, "unknown-reference")
    add_tasks(http, pool, [{"id": "a", "references": {"seven": 0.5}}])  # the cure
    assert http.put(f"/runs/{run}", json={"pool": pool} | policy).status_code == 201
    assert http.patch(f"/runs/{plain}", json=policy).status_code == 200


def test_a_task_misspelt(http: httpx.Client, scene: Scene) -> None:
    answer = http.get(f"/runs/{scene.run}/posteriors", params={"task": "gsm8k_7"})
    assert "there is no task 'gsm8k_7'; near it: 'gsm8k-7'" in detail(answer, 404, "unknown-task")
    sent = {"run": scene.run, "selection": None, "key": "k", "outcomes": [seen("gsm8k_7")]}
    words = "outcomes[0].task: there is no task 'gsm8k_7'; near it: 'gsm8k-7'"
    assert words in detail(http.post("/report", json=sent), 422, "invalid-request")


@pytest.mark.parametrize("padding", [0, 100 << 10])
def test_a_field_misspelt(http: httpx.Client, scene: Scene, padding: int) -> None:
    sent = f'{" " * padding}{{"run": "{scene.run}", "outcoms": [], "outcomes": [{{"sucesses": 1}}]}}'
    answer = http.post("/report", content=sent, headers={"Content-Type": "application/json"})
    said = detail(answer, 422, "invalid-request")
    assert "outcoms: there is no such field; near it: 'outcomes'" in said
    assert "outcomes[0].sucesses: there is no such field; near it: 'successes'" in said
    answer = http.post(f"/pools/{scene.pool}/tasks", json=[{"id": "a", "referenes": RATES}])
    assert "task 0.referenes: there is no such field; near it: 'references'" in detail(
        answer, 422, "invalid-request"
    )


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/runs/{run}?surprise=1", "surprise: there is no such query parameter; this call takes none"),
        ("GET", "/runs/{run}/posteriors?tsk=a", "tsk: there is no such query parameter; near it: 'task'"),
        ("GET", "/runs/{run}/events?afer=3", "afer: there is no such query parameter; near it: 'after'"),
        ("POST", "/select?dry=1", "dry: there is no such query parameter; this call takes none"),
        ("DELETE", "/runs/{run}?really=1", "really: there is no such query parameter"),
        ("GET", "/metrics?x=1", "x: there is no such query parameter"),
    ],
)
def test_a_query_parameter_that_the_call_does_not_know(
    http: httpx.Client, scene: Scene, method: str, path: str, words: str
) -> None:
    answer = http.request(method, path.format(run=scene.run))
    assert words in detail(answer, 422, "invalid-request")


def test_probes_are_answered_whatever_they_ask(http: httpx.Client) -> None:
    assert http.get("/healthz?from=balancer").status_code == 200


@pytest.mark.slow
def test_a_token_is_told_no_names_but_those_that_it_is_for(tmp_path: Path, bots: Bots) -> None:
    create = ("token", "create", "--data-dir", tmp_path, "--name")
    root = bots(*create, "root", "--scope", "admin").stdout.strip()
    limits = ("--run", "open-*", "--run", "secret-2")
    pod = bots(*create, "pod", "--scope", "train", *limits).stdout.strip()
    as_root, as_pod = ({"Authorization": f"Bearer {token}"} for token in (root, pod))
    service = Service(tmp_path).start()
    try:
        with httpx.Client(base_url=service.url) as http:
            http.put("/pools/math", headers=as_root).raise_for_status()
            for run in ("secret-1", "open-1"):
                http.put(f"/runs/{run}", json={"pool": "math"}, headers=as_root).raise_for_status()
            body = {"run": "secret-2", "batch_size": 1}
            answer = http.post("/select", json=body, headers=as_pod)
            assert "secret-1" not in detail(answer, 404, "unknown-run")
            answer = http.post("/select", json=body, headers=as_root)
            assert "near it: 'secret-1'" in detail(answer, 404, "unknown-run")
            answer = http.get("/runs/open-2", headers=as_pod)
            assert "near it: 'open-1'" in detail(answer, 404, "unknown-run")
    finally:
        assert service.stop() == 0, service.log()


@pytest.fixture(autouse=True)
def _nothing_is_deleted(http: httpx.Client, scene: Scene) -> Iterator[None]:
    yield
    assert http.get(f"/runs/{scene.run}").status_code == 200
