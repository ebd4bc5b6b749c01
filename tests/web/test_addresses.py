from __future__ import annotations

import httpx
import pytest
from starlette.responses import PlainTextResponse

from selector_api.web.addresses import Addresses
from selector_api.web.exception_handlers import problem_of
from selector_api.web.metrics import Metrics
from selector_api.web.middleware import AnswerErrors, LimitConcurrency, Observe
from selector_api.web.routes import operations, pools, runs, selections
from tests.web.calls import assert_problem

ROUTES = [route for module in (selections, runs, pools, operations) for route in module.router.routes]


@pytest.mark.parametrize(
    ("path", "pattern", "methods"),
    [
        ("/select", "/select", {"POST"}),
        ("/runs/a", "/runs/{run}", {"DELETE", "GET", "PUT"}),
        ("/runs/a/events", "/runs/{run}/events", {"GET"}),
        ("/pools/a/tasks", "/pools/{pool}/tasks", {"POST"}),
        ("/metrics", "/metrics", {"GET"}),
        ("/runs/a/b", "none", set()),
        ("/select/", "none", set()),
    ],
)
def test_an_address_has_a_pattern_and_methods(path: str, pattern: str, methods: set[str]) -> None:
    assert Addresses(ROUTES).find({"type": "http", "method": "GET", "path": path}) == (pattern, methods)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/runs/a", 'route="/runs/{run}",status="503"'),
        ("POST", "/select", 'route="/select",status="503"'),
        ("BREW", "/select", 'route="/select",status="503"'),
        ("POST", "/made/up", 'route="none",status="503"'),
    ],
)
async def test_what_is_turned_away_is_counted_where_it_went(method: str, path: str, labels: str) -> None:
    metrics = Metrics()
    full = LimitConcurrency(PlainTextResponse("done"), limit=0)
    app = Observe(AnswerErrors(full, problem_of), metrics, Addresses(ROUTES))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://selector") as http:
        assert_problem(await http.request(method, path), 503, "overloaded")
    counted = method if (method, path) in (("GET", "/runs/a"), ("POST", "/select")) else "any"
    assert f'bots_requests_total{{method="{counted}",{labels}}} 1.0' in metrics.exposition().decode()
