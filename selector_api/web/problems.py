"""Errors on the wire: RFC 9457 `application/problem+json`, each with a stable code.

A problem names the field that is wrong, what was sent as far as it is a name that the caller gave (of a run, pool,
task, reference, domain or field), what is near it, and what to do. It repeats no other input.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from selector_api.core.select import TooFewTasks
from selector_api.store.errors import CallError
from selector_api.store.refusals import UnknownName

MEDIA_TYPE = "application/problem+json"

_HEADERS = {
    401: {"WWW-Authenticate": ("Bearer", "How to authenticate")},
    408: {"Connection": ("close", "The rest of the request is not waited for")},
    429: {"Retry-After": ("1", "Seconds after which to try again")},
    503: {"Retry-After": ("1", "Seconds after which to try again")},
}
"""By status the headers that it asks for: their values, and what they mean."""


_LIKE_A_TOKEN = re.compile(r"[\w-]{32,}")


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its stable code, HTTP status and title."""

    code: str
    status: int
    title: str


INVALID_HTTP = Kind("invalid-http", 400, "The request is not one of HTTP")
INVALID_JSON = Kind("invalid-json", 400, "The body is not valid JSON")
UNAUTHORIZED = Kind("unauthorized", 401, "A valid token is needed")
FORBIDDEN = Kind("forbidden", 403, "The token does not allow this")
NOT_FOUND = Kind("not-found", 404, "There is nothing at this address")
UNKNOWN_POOL = Kind("unknown-pool", 404, "There is no such pool")
UNKNOWN_RUN = Kind("unknown-run", 404, "There is no such run")
UNKNOWN_SELECTION = Kind("unknown-selection", 404, "The run has no such selection")
UNKNOWN_TASK = Kind("unknown-task", 404, "The run has no such task")
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "The address does not take this method")
NOT_ACCEPTABLE = Kind("not-acceptable", 406, "None of the accepted types can be given")
REQUEST_TIMEOUT = Kind("request-timeout", 408, "The request took too long")
KEY_CONFLICT = Kind("key-conflict", 409, "The key stands for another request")
SELECTION_CLOSED = Kind("selection-closed", 409, "The selection has ended")
PAST_HORIZON = Kind("past-horizon", 409, "It is so old that what it stands for is forgotten")
NOT_EXPLAINED = Kind("not-explained", 409, "The selection was made without an explanation")
RUN_CONFLICT = Kind("run-conflict", 409, "The run exists with another configuration")
POOL_IN_USE = Kind("pool-in-use", 409, "Runs draw from the pool")
REFERENCE_IN_USE = Kind("reference-in-use", 409, "A run reads the reference")
TASK_CONFLICT = Kind("task-conflict", 409, "A task exists with other values")
BATCH_TOO_LARGE = Kind("batch-too-large", 409, "Fewer tasks can be drawn now")
EVENTS_DROPPED = Kind("events-dropped", 410, "These events are in a file alone")
PAYLOAD_TOO_LARGE = Kind("payload-too-large", 413, "The body is too large")
MISDIRECTED_REQUEST = Kind("misdirected-request", 421, "The service is not known by this name")
UNSUPPORTED_MEDIA_TYPE = Kind("unsupported-media-type", 415, "The body's type is not understood")
INVALID_REQUEST = Kind("invalid-request", 422, "A field is missing or wrong")
INVALID_PARQUET = Kind("invalid-parquet", 422, "The body is not a Parquet file of tasks")
TASK_NOT_IN_SELECTION = Kind("task-not-in-selection", 422, "A task is not of this selection")
UNKNOWN_DOMAIN = Kind("unknown-domain", 422, "The pool has no such domain")
UNKNOWN_REFERENCE = Kind("unknown-reference", 422, "The pool has no such reference")
RATE_LIMITED = Kind("rate-limited", 429, "The token is used too often")
HEAD_TOO_LARGE = Kind("head-too-large", 431, "The request's head is too large")
INTERNAL_ERROR = Kind("internal-error", 500, "The service failed")
UNREADABLE_DATA = Kind("unreadable-data", 500, "Redis holds data that this release cannot read")
SHUTTING_DOWN = Kind("shutting-down", 503, "This replica is about to end")
STORE_UNAVAILABLE = Kind("store-unavailable", 503, "Redis cannot be used")
OVERLOADED = Kind("overloaded", 503, "The service is busy")

KINDS = {kind.code: kind for kind in list(globals().values()) if isinstance(kind, Kind)}
"""By code."""

ANY_CALL = (
    INVALID_HTTP,
    UNAUTHORIZED,
    FORBIDDEN,
    REQUEST_TIMEOUT,
    PAYLOAD_TOO_LARGE,
    MISDIRECTED_REQUEST,
    INVALID_REQUEST,
    RATE_LIMITED,
    HEAD_TOO_LARGE,
    INTERNAL_ERROR,
    UNREADABLE_DATA,
    STORE_UNAVAILABLE,
    OVERLOADED,
)
"""What any call but a probe can meet."""
JSON_BODY = (INVALID_JSON, UNSUPPORTED_MEDIA_TYPE)
"""What a call with a JSON body can meet besides."""


class Problem(Exception):
    """An error that is answered as it stands.

    Args:
        kind: which problem.
        detail: the field that is wrong and what to do, without the input's values but for names.
        members: extension members of the answer (RFC 9457, section 3.2).
    """

    headers: Mapping[str, str]
    """Of the answer. May be changed."""

    def __init__(self, kind: Kind, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = {name: value for name, (value, _) in _HEADERS.get(kind.status, {}).items()}
        self.members = members

    @classmethod
    def of(cls, error: CallError | TooFewTasks, place: str = "", **members: Any) -> Problem:
        """The problem that an error of the layers below stands for.

        Args:
            error: which carries code and detail.
            place: of the body's entry that it is of, if there are many.
            members: extension members of the answer.
        """
        if isinstance(error, UnknownName):
            members |= {"got": error.name, "near": error.near}
        return cls(KINDS[error.code], f"{place}: {error.detail}" if place else error.detail, **members)

    def response(self) -> JSONResponse:
        """The answer; the log's line of this request gets code and reason."""
        structlog.contextvars.bind_contextvars(code=self.kind.code, reason=without_secrets(self.detail))
        body = {
            "type": f"urn:bots:problem:{self.kind.code}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "code": self.kind.code,
            **self.members,
        }
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        if request_id is not None:
            body["request_id"] = request_id
        return JSONResponse(body, self.kind.status, self.headers, MEDIA_TYPE)


def without_secrets(text: str) -> str:
    """The text for the log, without words so long that one might be a token that was sent in a wrong place."""
    return _LIKE_A_TOKEN.sub("…", text)


class ProblemDocument(BaseModel):
    """What every error answer holds (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:bots:problem:unknown-run",
                    "title": "There is no such run",
                    "status": 404,
                    "detail": "run: there is none named 'my-rum'; near it: 'my-run'; GET /runs lists them, "
                    "PUT /runs/{run} creates one",
                    "code": "unknown-run",
                    "got": "my-rum",
                    "near": ["my-run"],
                    "request_id": "0b6d6a2c4b0f4f0f9d3c7a51c1a1f0de",
                }
            ]
        },
    )

    type: str = Field(description="urn:bots:problem: and the code")
    title: str = Field(description="What kind of problem this is")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="The field that is wrong, and what to do")
    code: str = Field(description="A stable word for programs")
    request_id: str = Field(description="What the service's log calls this request; also in X-Request-ID")


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the problems that a route can answer, for FastAPI's `responses`."""
    by_status: dict[int, list[Kind]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        status: {
            "description": "; ".join(f"`{kind.code}`: {kind.title}" for kind in group),
            "headers": {
                name: {"description": meaning, "schema": {"type": "string"}}
                for name, (_, meaning) in _HEADERS.get(status, {}).items()
            },
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status, group in by_status.items()
    }
