from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from selector_api.web.problems import Problem
from selector_api.web.rate_limit import RateLimit
from tests.service import Service
from tests.web.calls import assert_problem
from trainer_client import SelectorClient


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def allowed(limit: RateLimit, caller: str, calls: int) -> int:
    """How many of these calls at once are let through."""
    count = 0
    for _ in range(calls):
        try:
            limit.count(caller)
        except Problem:
            continue
        count += 1
    return count


def test_a_burst_passes_and_then_the_rate() -> None:
    clock = Clock()
    limit = RateLimit(2.0, burst=5.0, clock=clock)
    assert allowed(limit, "a", 20) == 10
    assert allowed(limit, "b", 20) == 10
    clock.now = 1.5
    assert allowed(limit, "a", 20) == 3
    clock.now = 1000.0
    assert allowed(limit, "a", 20) == 10


@pytest.mark.parametrize(("rate", "seconds"), [(10.0, "1"), (0.25, "4"), (0.01, "100")])
def test_it_is_told_when_there_is_room_again(rate: float, seconds: str) -> None:
    clock = Clock()
    limit = RateLimit(rate, burst=1.0, clock=clock)
    size = max(1, int(rate))
    assert allowed(limit, "a", size) == size
    with pytest.raises(Problem) as refused:
        limit.count("a")
    assert refused.value.kind.status == 429
    assert refused.value.headers == {"Retry-After": seconds}
    clock.now = float(seconds)
    assert allowed(limit, "a", 1) == 1


def test_without_a_rate_nothing_is_limited() -> None:
    assert allowed(RateLimit(None), "a", 1000) == 1000


def test_who_calls_too_often_is_told_so_and_clients_wait(tmp_path: Path) -> None:
    service = Service(tmp_path, environment={"SELECTOR_RATE_LIMIT": "1"}).start()
    with httpx.Client(base_url=service.url) as http:
        answers = [http.get("/runs/r") for _ in range(12)]
        refused = next(answer for answer in answers if answer.status_code != 404)
        assert "calls a second" in assert_problem(refused, 429, "rate-limited")["detail"]
        assert refused.headers["Retry-After"] == "1"
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 200
    with SelectorClient(service.url) as client:
        client.create_pool("p")
    assert service.stop() == 0, service.log()
