"""Short ways to say what tests of the web layer send, and what they expect."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
from prometheus_client.parser import text_string_to_metric_families

TASKS: list[dict[str, Any]] = [
    {"id": f"task-{number}", "domain": domain, "references": {"weak": 0.25, "strong": 0.75}}
    for number, domain in enumerate(["algebra", "sets"] * 5)
]
"""Ten tasks in two domains, measured with two references."""


def fresh_name(kind: str) -> str:
    """A name that no other test uses."""
    return f"{kind}-{uuid4().hex}"


def add_tasks(http: httpx.Client, pool: str, tasks: list[dict[str, Any]]) -> httpx.Response:
    lines = "".join(json.dumps(task) + "\n" for task in tasks)
    headers = {"Content-Type": "application/x-ndjson"}
    return http.post(f"/pools/{pool}/tasks", content=lines.encode(), headers=headers)


def select(http: httpx.Client, run: str, batch_size: float = 3, **more: Any) -> dict[str, Any]:
    answer = http.post("/select", json={"run": run, "batch_size": batch_size, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def report(
    http: httpx.Client, run: str, selection: str | None, outcomes: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    body = {"run": run, "selection": selection, "outcomes": outcomes, **more}
    answer = http.post("/report", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def seen(task: str, successes: float = 1, trials: float = 2) -> dict[str, Any]:
    """An outcome."""
    return {"task": task, "successes": successes, "trials": trials}


def events(http: httpx.Client, run: str, after: int = 0) -> list[dict[str, Any]]:
    answer = http.get(f"/runs/{run}/events", params={"after": after})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.content.splitlines()]


def samples(http: httpx.Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of /metrics by its name and labels."""
    answer = http.get("/metrics").raise_for_status()
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def everything(http: httpx.Client, pool: str, run: str) -> list[bytes]:
    """All that the service tells of a pool and a run over it."""
    paths = [f"/pools/{pool}", f"/runs/{run}", f"/runs/{run}/posteriors", f"/runs/{run}/events"]
    return [http.get(path).raise_for_status().content for path in paths]


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer is this problem; returns it."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), problem
    assert problem["type"] == f"urn:bots:problem:{code}"
    assert problem.get("request_id") == answer.headers.get("X-Request-ID")
    assert problem["title"]
    assert problem["detail"]
    return problem
