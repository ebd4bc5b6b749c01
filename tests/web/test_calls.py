from __future__ import annotations

import httpx
import pytest
from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from selector_api.settings import Settings
from selector_api.web.calls import Call, CallRoute, Calls, MatchCall, Matched
from selector_api.web.exception_handlers import problem_of
from selector_api.web.metrics import Metrics
from selector_api.web.middleware import AnswerErrors, LimitConcurrency, Observe
from selector_api.web.routes import operations, pools, run_evidence, runs, selections
from tests.web.calls import assert_problem

ROUTES = [
    route for module in (selections, runs, run_evidence, pools, operations) for route in module.router.routes
]

CALLS = Calls(ROUTES)


def match(method: str, path: str) -> Matched:
    return CALLS.match({"type": "http", "method": method, "path": path})


@pytest.mark.parametrize(
    ("path", "pattern", "methods", "names"),
    [
        ("/select", "/select", {"POST"}, {}),
        ("/runs/a", "/runs/{run}", {"DELETE", "GET", "PATCH", "PUT"}, {"run": "a"}),
        ("/runs/a/events", "/runs/{run}/events", {"GET"}, {"run": "a"}),
        ("/pools/a/tasks", "/pools/{pool}/tasks", {"GET", "POST"}, {"pool": "a"}),
        ("/metrics", "/metrics", {"GET"}, {}),
        ("/runs/a/b", "none", set(), {}),
        ("/select/", "none", set(), {}),
    ],
)
def test_an_address_has_a_pattern_methods_and_names(
    path: str, pattern: str, methods: set[str], names: dict[str, str]
) -> None:
    for method in ("GET", "PUT", "BREW"):
        matched = match(method, path)
        assert (matched.route, matched.methods, matched.names) == (pattern, methods, names)


@pytest.mark.parametrize("path", ["/healthz/", "//healthz", "/docs/x", "/openapi.json/", "/select/"])
def test_only_the_very_addresses_are_open(path: str) -> None:
    assert match("GET", path).call.scope == "read"
    assert match("POST", path).call.scope == "admin"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [("PUT", "/select", "train"), ("POST", "/runs/a", "read"), ("POST", "/healthz", None)],
)
def test_a_method_that_is_not_taken_needs_what_the_address_needs_at_least(
    method: str, path: str, scope: str | None
) -> None:
    assert match(method, path).call.scope == scope


@pytest.mark.parametrize("path", ["/select", "/pools/a/tasks"])
def test_to_look_where_nothing_can_be_read_takes_no_more_than_to_read(path: str) -> None:
    assert match("GET", path).call.scope == "read"


def test_a_route_that_says_nothing_is_refused_at_once() -> None:
    async def silent() -> None: ...

    with pytest.raises(TypeError, match="/silent"):
        APIRouter(route_class=CallRoute).get("/silent")(silent)
    router = APIRouter()
    router.get("/silent")(silent)
    with pytest.raises(TypeError, match="/silent"):
        Calls(router.routes)


def test_a_call_that_says_no_more_has_a_small_body_and_no_privilege() -> None:
    call = Call("admin")
    assert call.body_limit(Settings()) == 64 << 10
    assert call.scopes == ("admin",)
    assert not any((call.names_run_in_body, call.is_timed, call.is_probe))


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
    app = MatchCall(Observe(AnswerErrors(full, problem_of), metrics), CALLS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://selector") as http:
        assert_problem(await http.request(method, path), 503, "overloaded")
    counted = method if (method, path) in (("GET", "/runs/a"), ("POST", "/select")) else "any"
    assert f'bots_requests_total{{method="{counted}",{labels}}} 1.0' in metrics.exposition().decode()
