from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from selector_api.settings import Settings
from selector_api.store.connection import connect
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.tokens import Tokens
from selector_api.web.auth import Authorizer, UnsafeBinding, refuse_unsafe
from selector_api.web.calls import Call
from selector_api.web.problems import Problem
from tests.service import Service
from tests.web.calls import assert_problem
from tests.web.sockets import exchange, head

SCOPES = ("read", "train", "admin")
CALLS = {
    ("GET", "/pools/p"): "read",
    ("GET", "/runs/r"): "read",
    ("GET", "/runs/r/posteriors"): "read",
    ("GET", "/runs/r/events"): "read",
    ("GET", "/metrics"): "read",
    ("GET", "/nowhere"): "read",
    ("POST", "/select"): "train",
    ("POST", "/report"): "train",
    ("PUT", "/pools/p"): "admin",
    ("POST", "/pools/p/tasks"): "admin",
    ("DELETE", "/pools/p"): "admin",
    ("PUT", "/runs/r"): "admin",
    ("DELETE", "/runs/r"): "admin",
    ("POST", "/nowhere"): "admin",
}
OPEN = ("/healthz", "/readyz", "/", "/dashboard/main.js", "/docs", "/openapi.json")


@pytest.fixture(scope="module")
def tokens(guarded: Service) -> dict[str, str]:
    """A token of each scope, by scope. Once there is one, the service asks for it."""

    async def create() -> dict[str, str]:
        async with connect(guarded.redis_url) as redis:
            stored = Tokens(redis)
            return {scope: await stored.create(scope, [scope]) for scope in SCOPES}

    return asyncio.run(create())


@pytest.fixture(scope="module")
def http(guarded: Service, tokens: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.url, timeout=60) as client:
        yield client


def test_without_tokens_a_service_on_loopback_is_open(service_url: str) -> None:
    assert httpx.get(f"{service_url}/metrics").status_code == 200


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_allows_its_calls_and_those_of_the_scopes_below(
    http: httpx.Client, tokens: dict[str, str], scope: str
) -> None:
    headers = {"Authorization": f"Bearer {tokens[scope]}"}
    for (method, path), needed in CALLS.items():
        answer = http.request(method, path, headers=headers)
        if SCOPES.index(needed) <= SCOPES.index(scope):
            assert answer.status_code not in (401, 403), (method, path)
        else:
            assert needed in assert_problem(answer, 403, "forbidden")["detail"]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Basic dTpw", "Bearer bots_unknown", "Bearer {token}x", "{token}"],
)
def test_every_call_needs_a_token(
    http: httpx.Client, tokens: dict[str, str], authorization: str | None
) -> None:
    headers = {}
    if authorization is not None:
        headers = {"Authorization": authorization.format(token=tokens["admin"])}
    for method, path in CALLS:
        answer = http.request(method, path, headers=headers)
        assert "Authorization" in assert_problem(answer, 401, "unauthorized")["detail"]
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert tokens["admin"] not in answer.text


@pytest.mark.parametrize("path", OPEN)
def test_probes_and_docs_are_open(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 200


def test_the_scheme_may_be_written_in_any_case(http: httpx.Client, tokens: dict[str, str]) -> None:
    headers = {"Authorization": f"bearer {tokens['read']}"}
    assert http.get("/metrics", headers=headers).status_code == 200


@pytest.mark.parametrize("framing", [{"Content_Length": 1000}, {"Transfer_Encoding": "chunked"}])
def test_nobody_without_a_token_gets_a_body_read(http: httpx.Client, framing: dict[str, object]) -> None:
    request = head("POST", "/pools/p/tasks", Content_Type="application/json", **framing)
    status, headers, problem = exchange(str(http.base_url), request)
    assert (status, problem["code"]) == (401, "unauthorized")
    assert headers["www-authenticate"] == "Bearer"


@pytest.mark.anyio
async def test_a_host_that_others_reach_needs_a_token(guarded: Service, tokens: dict[str, str]) -> None:
    async with connect(guarded.redis_url) as redis:
        await refuse_unsafe(Settings(host="0.0.0.0"), Tokens(redis))


async def answer_without_token(settings: Settings, tokens: Tokens) -> int:
    """The status of a call without a token."""
    try:
        await Authorizer(tokens, settings.is_open_without_tokens).identify(Call("read"), None)
    except Problem as problem:
        return problem.kind.status
    return 200


@pytest.mark.anyio
async def test_what_empties_redis_opens_no_service_that_requires_tokens(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path, "everysec") as valkey, connect(valkey.url) as redis:
        for settings, without in ((Settings(), 200), (Settings(require_token=True), 401)):
            times = [0.0]
            tokens = Tokens(redis, clock=lambda times=times: times[0])
            await tokens.create("one", ["admin"])
            await refuse_unsafe(settings, tokens)
            assert await answer_without_token(settings, tokens) == 401
            await redis.flushall()
            times[0] = 60.0
            assert await answer_without_token(settings, tokens) == without
        with pytest.raises(UnsafeBinding, match="require_token"):
            await refuse_unsafe(Settings(require_token=True), Tokens(redis))


@pytest.mark.slow
def test_a_host_that_others_reach_is_refused_without_a_token(tmp_path: Path) -> None:
    environment = os.environ | {"SELECTOR_HOST": "0.0.0.0", "SELECTOR_PORT": "0"}
    command = [str(Path(sys.executable).with_name("bots")), "serve", "--data-dir", str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode not in (0, None)
    for words in ("0.0.0.0", "bots token create", "127.0.0.1"):
        assert words in ended.stderr
    assert "Traceback" not in ended.stderr
