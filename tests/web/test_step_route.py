"""The two ways on which calls of a training step are answered: the short one for what is plain, and FastAPI's."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.web.calls import seen, select

LONG_WAY = "application/json; charset=utf-8"
OUTBOX = f"{'0123456789abcdef' * 2} 1 1"


def both_ways(http: httpx.Client, path: str, content: str | bytes, **headers: str) -> tuple[Any, Any]:
    """Status and body of the answers on the short way and the long one, without the request's id."""
    answers: list[Any] = []
    for kind in ("application/json", LONG_WAY):
        answer = http.post(path, content=content, headers={"Content-Type": kind, **headers})
        told = answer.json()
        told.pop("request_id", None)
        answers.append((answer.status_code, told))
    return answers[0], answers[1]


def test_both_ways_answer_alike(http: httpx.Client, run: str) -> None:
    (status, first), again = both_ways(http, "/select", json.dumps({"run": run, "batch_size": 3, "key": "k"}))
    assert (status, first | {"replayed": True}) == again
    body = {
        "run": run,
        "selection": first["selection"],
        "outcomes": [seen(task) for task in first["tasks"]],
    }
    for headers in ({}, {"X-Bots-Outbox": OUTBOX}):
        short, long = both_ways(http, "/report", json.dumps(body), **headers)
        assert short[0] == long[0] == 200
        assert short[1].keys() == long[1].keys()
        assert ("place" in short[1]) == bool(headers)


@pytest.mark.parametrize(
    ("path", "content", "headers"),
    [
        ("/select", "", {}),
        ("/select", "{", {}),
        ("/select", "[]", {}),
        ("/select", b"\xff", {}),
        ("/select", '{"run": "r", "run": "r"}', {}),
        ("/select", '{"run": "r", "batch_size": 0}', {}),
        ("/select", '{"run": "r", "batch_size": 1, "batchsize": 1}', {}),
        ("/select", '{"run": "there-is-no-such-run", "batch_size": 1}', {}),
        ("/report", '{"run": "r", "selection": "s", "outcomes": [{"task": "a", "trials": 1}]}', {}),
        (
            "/report",
            '{"run": "r", "selection": "s", "outcomes": [], "final": true}',
            {"X-Bots-Outbox": "not one"},
        ),
        ("/select?explain=1", '{"run": "r", "batch_size": 1}', {}),
    ],
)
def test_both_ways_refuse_alike(
    http: httpx.Client, path: str, content: str | bytes, headers: dict[str, str]
) -> None:
    short, long = both_ways(http, path, content, **headers)
    assert short == long
    assert short[0] >= 400


def test_a_large_report_takes_the_long_way(http: httpx.Client, run: str) -> None:
    drawn = select(http, run, 2)
    outcomes = [{"task": task, "rewards": [0.0, 1.0] * 10_000} for task in drawn["tasks"]]
    body = {"run": run, "selection": drawn["selection"], "outcomes": outcomes}
    assert http.post("/report", json=body).json()["accepted"] == 2
