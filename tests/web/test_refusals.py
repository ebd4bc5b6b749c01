"""Refused calls are counted, logged and limited as those are that are served."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from selector_api.store.connection import connect
from selector_api.store.tokens import Tokens
from tests.service import Service
from tests.web.calls import samples

SETTINGS = {"SELECTOR_LOG_FORMAT": "json", "SELECTOR_LOG_LEVEL": "info", "SELECTOR_RATE_LIMIT": "1"}


class Refused(NamedTuple):
    """What was told of refused calls."""

    statuses: list[int]
    counts: dict[tuple[str, frozenset[tuple[str, str]]], float]
    lines: list[dict[str, Any]]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Refused:
    """The calls: of nobody, by another name, one that is too large, unknown ones, and too many of a reader."""
    folder: Path = tmp_path_factory.mktemp("refusing")
    with Service(folder, environment=SETTINGS) as service, httpx.Client(base_url=service.url) as http:

        async def tokens() -> list[str]:
            async with connect(service.redis_url) as redis:
                stored = Tokens(redis)
                return [
                    await stored.create("reader\n\x1b[2J", ["read"]),
                    await stored.create("root", ["admin"]),
                ]

        reader, root = ({"Authorization": f"Bearer {token}"} for token in asyncio.run(tokens()))
        answers = [
            http.put("/runs/r", json={}),
            http.delete("/pools/p", headers=root | {"Host": "evil.example"}),
            http.put("/runs/r", json={"pool": "p" * (64 << 10)}, headers=root),
            http.post("/runs/r", headers=root),
            http.post("/made/up", headers=root),
            *(http.post("/select", json={}, headers=reader) for _ in range(30)),
        ]
        http.headers = httpx.Headers(root)
        counts = samples(http)
        assert service.stop() == 0, service.log()
    lines = [json.loads(line) for line in service.log().splitlines()]
    statuses = [answer.status_code for answer in answers]
    return Refused(statuses, counts, [line for line in lines if line["event"] == "request"])


def test_refused_calls_are_limited_too(refused: Refused) -> None:
    assert refused.statuses[:5] == [401, 421, 413, 405, 404]
    assert refused.statuses[5:15] == [403] * 10
    assert 429 in refused.statuses[15:]


@pytest.mark.parametrize(
    ("method", "route", "status"),
    [
        ("PUT", "/runs/{run}", 401),
        ("DELETE", "/pools/{pool}", 421),
        ("PUT", "/runs/{run}", 413),
        ("any", "/runs/{run}", 405),
        ("any", "none", 404),
        ("POST", "/select", 403),
        ("POST", "/select", 429),
    ],
)
def test_refused_calls_are_counted_by_route_and_method(
    refused: Refused, method: str, route: str, status: int
) -> None:
    labels = {"method": method, "route": route, "status": str(status)}
    assert refused.counts["bots_requests_total", frozenset(labels.items())] >= 1


def test_the_log_tells_who_was_refused_what(refused: Refused) -> None:
    told = [(line.get("caller"), line["method"], line["route"], line["status"]) for line in refused.lines]
    assert told[:5] == [
        (None, "PUT", "/runs/{run}", 401),
        (None, "DELETE", "/pools/{pool}", 421),
        ("root", "PUT", "/runs/{run}", 413),
        ("root", "POST", "/runs/{run}", 405),
        ("root", "POST", "none", 404),
    ]
    assert {line[:3] for line in told[5:35]} == {("reader\n\x1b[2J", "POST", "/select")}
    assert len(told) == 35  # and nothing of what went well


def test_the_log_tells_why(refused: Refused) -> None:
    assert [line["code"] for line in refused.lines[:6]] == [
        "unauthorized",
        "misdirected-request",
        "payload-too-large",
        "method-not-allowed",
        "not-found",
        "forbidden",
    ]
    assert refused.lines[5]["reason"] == "Authorization: this call needs a token with the scope 'train'"
    assert refused.lines[3]["run"] == "r"
