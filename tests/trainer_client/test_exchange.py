"""What is tried again, after which pause, and what the answers become."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from trainer_client import (
    ApiError,
    BatchTooLarge,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    PoolInfo,
    SelectorClient,
    SelectorUnavailable,
    Unauthorized,
    _exchange,
)

POOL = {"pool": "p", "tasks": 0, "domains": {}, "references": []}


def client_of(
    *answers: httpx.Response | Exception, max_retries: int = 4
) -> tuple[SelectorClient, list[httpx.Request]]:
    """A client whose calls meet these answers in order, and the requests that it sends."""
    requests: list[httpx.Request] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        coming = left.pop(0)
        if isinstance(coming, Exception):
            raise coming
        return coming

    client = SelectorClient("http://selector", transport=httpx.MockTransport(answer), max_retries=max_retries)
    return client, requests


def problem(
    status: int, code: str, headers: dict[str, str] | None = None, **extensions: Any
) -> httpx.Response:
    body = {
        "type": f"urn:bots:problem:{code}",
        "title": code,
        "status": status,
        "detail": "Why.",
        "code": code,
    }
    return httpx.Response(
        status,
        content=json.dumps({**body, **extensions}),
        headers={"Content-Type": "application/problem+json", **(headers or {})},
    )


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut off"),
        problem(503, "store-unavailable"),
        problem(500, "internal-error"),
        problem(429, "overloaded"),
        httpx.Response(502, text="<h1>Bad gateway</h1>"),
        httpx.Response(408),
        httpx.Response(404, text="404 page not found"),
        httpx.Response(200, text="<h1>Maintenance</h1>"),
        httpx.Response(302, headers={"Location": "http://elsewhere/"}),
    ],
)
def test_passing_trouble_is_tried_again(trouble: httpx.Response | Exception, pauses: list[float]):
    client, requests = client_of(trouble, httpx.Response(200, json=POOL))
    assert client.pool("p") == PoolInfo(**POOL)
    assert len(requests) == 2
    assert len(pauses) == 1


def test_lasting_trouble_is_unavailability_after_all_retries(pauses: list[float]):
    client, requests = client_of(*[problem(503, "store-unavailable")] * 3, max_retries=2)
    with pytest.raises(SelectorUnavailable, match=r"GET /pools/p: HTTP 503, Why\.") as caught:
        client.pool("p")
    assert caught.value.status == 503
    assert len(requests) == 3
    assert len(pauses) == 2


def test_no_connection_is_unavailability_without_a_status(pauses: list[float]):
    client, _ = client_of(httpx.ConnectError("refused"), max_retries=0)
    with pytest.raises(SelectorUnavailable, match="ConnectError: refused") as caught:
        client.pool("p")
    assert caught.value.status is None
    assert pauses == []


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid-json", InvalidRequest),
        (406, "not-acceptable", InvalidRequest),
        (413, "payload-too-large", InvalidRequest),
        (415, "unsupported-media-type", InvalidRequest),
        (422, "task-not-in-selection", InvalidRequest),
        (401, "unauthorized", Unauthorized),
        (403, "forbidden", Forbidden),
        (404, "unknown-run", NotFound),
        (409, "run-conflict", Conflict),
        (409, "batch-too-large", BatchTooLarge),
        (405, "method-not-allowed", ApiError),
    ],
)
def test_a_refusal_is_a_typed_error_at_once(
    status: int, code: str, kind: type[ApiError], pauses: list[float]
):
    client, requests = client_of(problem(status, code, {"X-Request-Id": "42"}, available=7))
    with pytest.raises(ApiError) as caught:
        client.pool("p")
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code, error.detail, error.request_id) == (status, code, "Why.", "42")
    assert error.extensions == {"available": 7}
    assert len(requests) == 1
    assert pauses == []


def test_a_refusal_by_a_proxy_has_no_code():
    client, _ = client_of(httpx.Response(413, text="<h1>Too large</h1>"))
    with pytest.raises(InvalidRequest) as caught:
        client.pool("p")
    assert (caught.value.status, caught.value.code) == (413, "")


def test_a_delete_whose_reply_was_lost_is_done(pauses: list[float]):
    client, requests = client_of(httpx.ReadError("lost"), problem(404, "unknown-pool"))
    client.delete_pool("p")
    assert len(requests) == 2


def test_a_delete_of_what_never_was_is_an_error():
    client, _ = client_of(problem(404, "unknown-pool"))
    with pytest.raises(NotFound):
        client.delete_pool("p")


@pytest.fixture
def longest_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_exchange.random, "uniform", lambda low, high: high)


@pytest.fixture
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_exchange.random, "uniform", lambda low, high: low)


@pytest.mark.usefixtures("longest_jitter")
def test_pauses_grow_to_a_bound(pauses: list[float]):
    client, _ = client_of(*[httpx.ReadError("lost")] * 7, max_retries=6)
    with pytest.raises(SelectorUnavailable):
        client.pool("p")
    assert pauses == [0.5, 1, 2, 4, 8, 8]


def test_pauses_are_spread(pauses: list[float]):
    client, _ = client_of(*[httpx.ReadError("lost")] * 60, max_retries=59)
    with pytest.raises(SelectorUnavailable):
        client.pool("p")
    assert len(set(pauses)) == 59
    assert 0 <= min(pauses) < 2
    assert 6 < max(pauses) <= 8


@pytest.mark.usefixtures("no_jitter")
@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (lambda now: "7", 7),
        (lambda now: format_datetime(now + timedelta(seconds=20), usegmt=True), 20),
        (lambda now: format_datetime(now - timedelta(seconds=20), usegmt=True), 0),
        (lambda now: "86400", 60),
        (lambda now: "soon", 0),
        (lambda now: "-5", 0),
    ],
)
def test_retry_after_is_honoured(
    asked: Callable[[datetime], str],
    seconds: float,
    pauses: list[float],
    monkeypatch: pytest.MonkeyPatch,
):
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr(_exchange.time, "time", now.timestamp)
    busy = problem(503, "overloaded", {"Retry-After": asked(now)})
    client, _ = client_of(busy, httpx.Response(200, json=POOL))
    client.pool("p")
    assert pauses == [seconds]


def test_a_service_that_cannot_read_its_data_is_there():
    problem = {"status": 500, "code": "unreadable-data", "detail": "log version 3 is not known here"}
    transport = httpx.MockTransport(
        lambda _: httpx.Response(500, json=problem, headers={"Content-Type": "application/problem+json"})
    )
    with (
        SelectorClient("http://selector", run="run", transport=transport, max_retries=0) as client,
        pytest.raises(SelectorUnavailable, match=r"there is a selector, .*log version 3") as caught,
    ):
        client.run_status()
    assert (caught.value.code, "not the selector's" in str(caught.value)) == ("unreadable-data", False)
