"""Exceptions become problems here, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from selector_api.core.select import TooFewTasks
from selector_api.core.shortage import Shortage
from selector_api.core.times import rfc3339
from selector_api.known_fields import KnownFields
from selector_api.store.errors import CallError, StoreUnavailable, UnreadableData
from selector_api.store.refusals import KeyConflict
from selector_api.web import problems
from selector_api.web.calls import Matched
from selector_api.web.json_body import shown
from selector_api.web.known_fields import fields_of_body
from selector_api.web.problems import Problem

log = structlog.get_logger("selector_api.web")

_HTTP_KINDS = {
    400: (problems.INVALID_JSON, "body: it could not be parsed"),
    404: (
        problems.NOT_FOUND,
        "path: see /docs for the calls there are; names of pools and runs hold no slash",
    ),
    405: (problems.METHOD_NOT_ALLOWED, "method: see /docs for the calls there are"),
    413: (problems.PAYLOAD_TOO_LARGE, "body: send it in several requests"),
    415: (problems.UNSUPPORTED_MEDIA_TYPE, "Content-Type: see /docs for the types this call takes"),
}

_SOURCES = ("body", "header", "path", "query")


def _field(location: Sequence[str | int]) -> str:
    """`outcomes[3].trials` for ("body", "outcomes", 3, "trials")."""
    text = ""
    for part in location[1:] if location and location[0] in _SOURCES else location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = shown(part)
            text += name if not text or name == "[key]" else f".{name}"
    return text or "body"


def explain_validation(errors: Sequence[Any], known: KnownFields | None = None) -> str:
    """One line for the first few errors of pydantic, without the input's values.

    Args:
        errors: which were found.
        known: the fields there are, for one that is not known.
    """
    lines = [f"{_field(error['loc'])}: {_words(error, known)}" for error in errors[:3]]
    more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""
    return "; ".join(lines) + more


def _words(error: Any, known: KnownFields | None) -> str:
    match error["type"]:
        case "union_tag_invalid":  # pydantic's own message repeats the input
            return f"type must be one of {error['ctx']['expected_tags']}"
        case "extra_forbidden":
            *place, name = (part for part in error["loc"] if part not in _SOURCES)
            return known.refusal(place, str(name)) if known else "there is no such field"
        case _:
            return error["msg"].removeprefix("Value error, ")


def problem_of(error: Exception, known: KnownFields | None = None) -> Problem:
    """What to answer for an exception; those that nobody expected are logged.

    Args:
        error: which was raised.
        known: the fields that a body may have.
    """
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return _of_request(error, known)
        case HTTPException():
            return _of_http(error, known)
        case ClientDisconnect():
            return Problem(problems.INVALID_JSON, "body: it ended early")
        case TooFewTasks():
            members: dict[str, Any] = {"available": error.available}
            if error.informative is not None:
                members["informative"] = error.informative
            return Problem.of(error, **members, shortages=[_told(each) for each in error.shortages])
        case KeyConflict():
            return Problem.of(error, selection=error.selection, batch_size=error.batch_size)
        case CallError():
            if isinstance(error, UnreadableData):
                log.error("data in Redis cannot be read", reason=str(error))
            if isinstance(error, StoreUnavailable):
                log.warning("Redis is not available", reason=str(error))
            return Problem.of(error)
        case _:
            log.error("request failed", exc_info=error)
            return Problem(problems.INTERNAL_ERROR, "the service's log tells more")


def _told(shortage: Shortage) -> dict[str, Any]:
    """A shortage as callers see it."""
    until = None if shortage.leased_until is None else rfc3339(shortage.leased_until)
    members = {name: value for name, value in vars(shortage).items() if name != "held_by"}
    return {**members, "leased_until": until}


def _of_request(error: RequestValidationError, known: KnownFields | None) -> Problem:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return Problem(problems.INVALID_JSON, f"body: {first['ctx']['error']}")
    if isinstance(error.body, bytes):  # it was not said to be JSON, so it was not read
        return Problem(problems.UNSUPPORTED_MEDIA_TYPE, "Content-Type: send application/json")
    return Problem(problems.INVALID_REQUEST, explain_validation(error.errors(), known))


def _of_http(error: HTTPException, known: KnownFields | None) -> Problem:
    cause = error.__cause__  # FastAPI wraps what is raised while a body is read
    if isinstance(cause, Problem | RequestValidationError):
        return problem_of(cause, known)
    kind, detail = _HTTP_KINDS.get(error.status_code, _HTTP_KINDS[400])
    return Problem(kind, detail)


def install(app: FastAPI) -> None:
    """Answer what the framework itself raises as a problem; the rest reaches `middleware.AnswerErrors`."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = problem_of(error, fields_of_body(request))
        if problem.kind is problems.METHOD_NOT_ALLOWED:
            methods = sorted(Matched.of(request.scope).methods)
            problem.headers = {"Allow": ", ".join(methods)}  # RFC 9110, section 15.5.6
        return problem.response()

    app.add_exception_handler(HTTPException, answer)
    app.add_exception_handler(RequestValidationError, answer)
