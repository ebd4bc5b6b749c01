"""The plan of a call: which requests to send, when to try again, what the answers mean. It does no IO.

A plan is a generator. It yields a `Request` and is sent the `Reply` (a response, or httpx's error), or it
yields a `Wait`; it returns the call's result. The sync and the async client only carry plans out, so everything
that matters is written once.
"""

import json
import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter

from trainer_client._connection import Address
from trainer_client.errors import (
    ApiError,
    BatchTooLarge,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    SelectorError,
    SelectorUnavailable,
    Unauthorized,
)

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
LONGEST_RETRY_AFTER = 60.0
RESTART_SECONDS = 60.0
"""As long as a restart of the service, or of its Redis, may take."""


@dataclass(frozen=True)
class Request:
    """A request to send; `path` is below the service's address.

    With `file`, a successful answer's body is streamed there, from the file's start at every attempt.
    """

    method: str
    path: str
    content: bytes = b""
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    file: Path | None = None

    def arguments(self, address: Address) -> dict[str, Any]:
        """The arguments of httpx's `request` and `stream`."""
        return {
            "method": self.method,
            "url": address.of(self.path),
            "content": self.content,
            "params": self.params,
            "headers": self.headers,
        }


@dataclass(frozen=True)
class Wait:
    """A pause to make, in seconds."""

    seconds: float


_DOCUMENT = TypeAdapter(dict[str, Any])

T = TypeVar("T")
Answer = TypeVar("Answer", bound=BaseModel)
Reply = httpx.Response | httpx.RequestError
"""What came of a request; an answer that cannot be decoded is an error, too."""
Plan = Generator[Request | Wait, Reply | None, T]
"""Sent the reply after a `Request`, None after a `Wait`."""
Reader = Callable[[httpx.Response], T]


class Patience:
    """When to give up a call: after `max_retries` attempts, or, with None, after the pauses of a restart."""

    def __init__(self, max_retries: int | None):
        self._max_retries = max_retries
        self._attempts = 0
        self._waited = 0.0

    def wait_after(self, reply: Reply) -> float | None:
        """Seconds to wait after an attempt that failed; None: no more."""
        if (
            self._waited >= RESTART_SECONDS
            if self._max_retries is None
            else self._attempts >= self._max_retries
        ):
            return None
        seconds = pause(self._attempts, reply)
        self._attempts += 1
        self._waited += seconds
        return seconds


def exchange(request: Request, read: Reader[T], max_retries: int | None) -> Plan[T]:
    """Send a request, again if need be, and return what `read` makes of the answer.

    Every call of the contract may be sent again safely.

    Raises:
        SelectorUnavailable: no usable answer came as long as the `Patience` of `max_retries` lasted.
        ApiError: the service refused, at whichever attempt.
    """
    patience = Patience(max_retries)
    for attempt in count():
        reply = yield request
        assert reply is not None
        try:
            return read(accepted(request, reply))
        except NotFound:
            if request.method == "DELETE" and attempt > 0 and isinstance(reply, httpx.Response):
                return read(reply)  # gone: the earlier attempt did it and its reply was lost
            raise
        except SelectorUnavailable:
            seconds = patience.wait_after(reply)
            if seconds is None:
                raise
        yield Wait(seconds)
    raise AssertionError("unreachable")


def answer_of(model: type[Answer]) -> Reader[Answer]:
    """A reader of answers of this model; an answer that does not fit it is none of the selector's."""

    def read(response: httpx.Response) -> Answer:
        try:
            return model.model_validate_json(response.content)
        except ValueError as error:
            raise _not_the_selector(response) from error

    return read


def file_of(media_type: str) -> Reader[None]:
    """A reader of answers that went to a file; one of another type is none of the selector's."""

    def read(response: httpx.Response) -> None:
        if _media_type(response) != media_type:
            raise _not_the_selector(response)

    return read


class EventLines:
    """Takes a log apart as it streams in.

    Its lines end in a newline only; the line separators that Unicode knows besides may stand within an id.
    """

    def __init__(self, response: httpx.Response):
        self._response = response
        self._rest = b""

    def feed(self, chunk: bytes) -> list[dict[str, Any]]:
        """The events that are complete with this piece; an empty one marks the end of the stream."""
        *lines, self._rest = (self._rest + (chunk or b"\n")).split(b"\n")
        return [self._event(line) for line in lines if line]

    def _event(self, line: bytes) -> dict[str, Any]:
        try:
            event = json.loads(line)
            event["seq"] = int(event["seq"])
        except (ValueError, TypeError, KeyError) as error:
            raise _not_the_selector(self._response) from error
        return event


def nothing(_: httpx.Response) -> None:
    """The reader of answers without a body."""


def accepted(request: Request, reply: Reply) -> httpx.Response:
    """The response, if the service took the request.

    Raises:
        SelectorUnavailable: no usable answer came.
        ApiError: the service refused.
    """
    if isinstance(reply, httpx.Response):
        if reply.is_success:
            return reply
        raise _refusal(reply)
    reason = f"{type(reply).__name__}: {reply}"
    raise SelectorUnavailable(f"{request.method} {request.path}: no answer ({reason})") from reply


def pause(attempt: int, reply: Reply) -> float:
    """Seconds until the next attempt: what `Retry-After` asks for, and backoff with full jitter on top."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt, 30))
    asked = _retry_after(reply) if isinstance(reply, httpx.Response) else 0.0
    return min(asked, LONGEST_RETRY_AFTER) + random.uniform(0, longest)


def _retry_after(response: httpx.Response) -> float:
    """Seconds that the answer asks to wait, by number or by HTTP-date (RFC 9110 §10.2.3); else 0."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - time.time())


def _refusal(response: httpx.Response) -> SelectorError:
    problem = _problem(response)
    status = response.status_code
    if status in (408, 429) or status >= 500:
        detail = problem.get("detail") or response.reason_phrase
        code = str(problem.get("code", ""))
        there = "there is a selector, but it cannot read its data: " if code == "unreadable-data" else ""
        return SelectorUnavailable(f"{_call(response)}: HTTP {status}, {there}{detail}", status, code)
    # The service explains every 404. One without a problem document is a proxy's that has lost its backend.
    if status < 400 or (status == 404 and not problem):
        return _not_the_selector(response)
    known = {"type", "title", "status", "detail", "code", "instance", "request_id"}
    code = str(problem.get("code", ""))
    return _kind(status, code)(
        status,
        code,
        str(problem.get("detail") or f"{_call(response)}: {response.reason_phrase}"),
        response.headers.get("X-Request-Id"),
        {name: value for name, value in problem.items() if name not in known},
    )


def _kind(status: int, code: str) -> type[ApiError]:
    if code == "batch-too-large":
        return BatchTooLarge
    if status in (400, 406, 413, 415, 422):
        return InvalidRequest
    return {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict}.get(status, ApiError)


def _problem(response: httpx.Response) -> dict[str, Any]:
    """The problem document in an answer, {} if there is none."""
    if _media_type(response) != "application/problem+json":
        return {}
    try:
        return _DOCUMENT.validate_json(response.content)
    except ValueError:
        return {}


def _media_type(response: httpx.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip()


def _not_the_selector(response: httpx.Response) -> SelectorUnavailable:
    return SelectorUnavailable(
        f"{_call(response)}: HTTP {response.status_code}, but the answer is not the selector's (base_url?)",
        response.status_code,
    )


def _call(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url.path}"
