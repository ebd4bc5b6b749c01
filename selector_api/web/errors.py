"""Exceptions become problems here, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from selector_api.core.select import TooFewTasks
from selector_api.store import errors as store
from selector_api.web import problems
from selector_api.web.problems import Kind, Problem

log = structlog.get_logger("selector_api.web")

_HTTP_KINDS = {
    400: (problems.INVALID_JSON, "body: it could not be parsed"),
    404: (problems.NOT_FOUND, "path: see /docs for the calls there are"),
    405: (problems.METHOD_NOT_ALLOWED, "method: see /docs for the calls there are"),
    413: (problems.PAYLOAD_TOO_LARGE, "body: send it in several requests"),
    415: (problems.UNSUPPORTED_MEDIA_TYPE, "Content-Type: see /docs for the types this call takes"),
}

_STORE_KINDS: dict[type[store.StoreError], tuple[Kind, str]] = {
    store.UnknownPool: (problems.UNKNOWN_POOL, "pool: create it with PUT /pools/{pool}"),
    store.UnknownRun: (problems.UNKNOWN_RUN, "run: create it with PUT /runs/{run}"),
    store.UnknownSelection: (problems.UNKNOWN_SELECTION, "selection: the run never made it"),
    store.PoolInUse: (problems.POOL_IN_USE, "pool: delete the runs that draw from it first"),
    store.RunConflict: (
        problems.RUN_CONFLICT,
        "run: it exists with another configuration; send the same one, or choose another name",
    ),
    store.KeyConflict: (
        problems.KEY_CONFLICT,
        "batch_size: this key was used with another one; use one key per selection",
    ),
    store.UnknownDomain: (
        problems.UNKNOWN_DOMAIN,
        "policy.domains: it names a domain of which the pool has no task",
    ),
    store.NotExplained: (
        problems.NOT_EXPLAINED,
        "explain: the first call with this key did not ask for it; ask in the first call",
    ),
    store.Overloaded: (problems.OVERLOADED, "run: too many calls compete for it; try again shortly"),
    store.StoreUnavailable: (problems.STORE_UNAVAILABLE, "Redis does not answer; try again shortly"),
}


def _from_store(error: store.StoreError) -> Problem:
    for kind in type(error).__mro__:
        if kind in _STORE_KINDS:
            return Problem(*_STORE_KINDS[kind])
    log.error("store failed", exc_info=error)
    return Problem(problems.INTERNAL_ERROR, "the service's log tells more")


def _field(location: Sequence[str | int]) -> str:
    """`outcomes[3].trials` for ("body", "outcomes", 3, "trials")."""
    parts = list(location[1:]) if location and location[0] in ("body", "query", "path") else list(location)
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part[:80]}" if text else part[:80]
    return text or "body"


def explain_validation(errors: Sequence[Any]) -> str:
    """One line for the first few errors of pydantic, without the input's values."""
    lines = []
    for error in errors[:3]:
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "union_tag_invalid":  # pydantic's own message repeats the input
            message = f"type must be one of {error['ctx']['expected_tags']}"
        lines.append(f"{_field(error['loc'])}: {message}")
    more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""
    return "; ".join(lines) + more


def _of_request(error: RequestValidationError, content_type: str) -> Problem:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return Problem(problems.INVALID_JSON, f"body: not valid JSON at character {first['loc'][-1]}")
    if first["loc"] == ("body",) and not content_type.startswith("application/json"):
        return Problem(problems.UNSUPPORTED_MEDIA_TYPE, "Content-Type: send application/json")
    return Problem(problems.INVALID_REQUEST, explain_validation(error.errors()))


def install(app: FastAPI) -> None:
    """Answer every exception as a problem."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(store.StoreError)
    async def _store(request: Request, error: store.StoreError) -> Response:
        return _from_store(error).response()

    @app.exception_handler(TooFewTasks)
    async def _too_few(request: Request, error: TooFewTasks) -> Response:
        detail = f"batch_size: {error.available} tasks can be drawn now; ask for fewer, or report first"
        return Problem(problems.BATCH_TOO_LARGE, detail, available=error.available).response()

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        return _of_request(error, request.headers.get("content-type", "")).response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        kind, detail = _HTTP_KINDS.get(error.status_code, _HTTP_KINDS[400])
        return Problem(kind, detail).response(error.headers)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        log.error("request failed", exc_info=error)
        return Problem(problems.INTERNAL_ERROR, "the service's log tells more").response()
