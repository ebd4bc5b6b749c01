"""What surrounds every request, as pure ASGI (Starlette's BaseHTTPMiddleware costs most of the throughput).

From the outside in: `calls.MatchCall`, `Observe` (request id, log, metrics), `AnswerErrors`, `TellNear`,
`LimitConcurrency`, `Admit`, `LimitBody`.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from selector_api.settings import Settings
from selector_api.store.errors import StoreUnavailable
from selector_api.store.names import Names
from selector_api.store.refusals import UnknownPool, UnknownRun
from selector_api.store.timings import measured
from selector_api.web.auth import Authorizer, Caller
from selector_api.web.calls import Matched
from selector_api.web.hosts import Hosts
from selector_api.web.metrics import Metrics
from selector_api.web.problems import OVERLOADED, PAYLOAD_TOO_LARGE, REQUEST_TIMEOUT, Problem
from selector_api.web.rate_limit import RateLimit

_BODY_SECONDS = 30.0
_REFUSED = 400
_REQUEST_ID = re.compile(r"(?!bots_)[A-Za-z0-9._-]{1,64}")
"""`bots_` begins the tokens that the service makes."""

log = structlog.get_logger("selector_api.access")


class Observe:
    """Gives every request an id (the caller's `X-Request-ID`, if it is a sane one), counts it, logs it.

    Refused ones too: by route, and in the log with the name of the token that was sent, the run, the problem's code
    and the reason. Those that go well are a line at debug.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        method, matched = scope["method"], Matched.of(scope)
        status = 500
        started = time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id), measured() as timings:
            try:
                await self._app(scope, receive, observed)
            finally:
                seconds = time.perf_counter() - started
                # What callers make up must not become label values: neither paths nor methods.
                label = method if method in matched.methods else "any"
                self._metrics.observe(matched.route, label, status, seconds)
                if matched.call.is_timed:
                    self._metrics.observe_timings(matched.route, timings)
                if not matched.call.is_probe:
                    line = {"method": method, "route": matched.route, "status": status, "ms": _ms(seconds)}
                    times = {f"{timing}_ms": _ms(spent) for timing, spent in timings.items()}
                    tell = log.debug if status < _REFUSED else log.info
                    tell("request", **_caller(scope), **line, **times)
                structlog.contextvars.unbind_contextvars("run", "code", "reason")


def _request_id(headers: Headers) -> str:
    """The id that was sent, or a new one if that is not sane, or is the token by mistake: it would be logged."""
    sent = headers.get("x-request-id", "")
    is_token = sent in headers.get("authorization", "").split()
    return sent if _REQUEST_ID.fullmatch(sent) and not is_token else uuid.uuid4().hex


def _caller(scope: Scope) -> dict[str, str]:
    """The name of the token that was sent, if it is one: for refused calls too."""
    caller: Caller | None = scope.get("caller")
    return {"caller": caller.name} if caller is not None and caller.name else {}


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)


class AnswerErrors:
    """Answers every exception from further in as a problem.

    Args:
        app: what may raise.
        problem_of: the problem that stands for an exception.
    """

    def __init__(self, app: ASGIApp, problem_of: Callable[[Exception], Problem]) -> None:
        self._app = app
        self._problem_of = problem_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            problem = self._problem_of(error)
            if started:  # a broken answer must not look whole: the server closes the connection
                raise
            await problem.response()(scope, receive, send)


class TellNear:
    """Tells an error about a pool or run that is not there which ones there are, as far as the caller may know."""

    def __init__(self, app: ASGIApp, names: Names) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            await self._app(scope, receive, send)
        except (UnknownPool, UnknownRun) as error:
            caller: Caller = scope["caller"]
            with suppress(StoreUnavailable):
                if isinstance(error, UnknownPool):
                    error.among([name for name in await self._names.pools() if caller.may_use_pool(name)])
                else:
                    error.among([name for name in await self._names.runs() if caller.may_use_run(name)])
            raise


class LimitConcurrency:
    """Turns requests away with 503 while `limit` are at work. Probes always pass."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or turn it away."""
        if scope["type"] != "http" or Matched.of(scope).call.is_probe:
            await self._app(scope, receive, send)
            return
        if self._at_work >= self._limit:
            raise Problem(OVERLOADED, f"{self._limit} requests are at work: try again shortly")
        self._at_work += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._at_work -= 1


class Admit:
    """Lets a request through that has a right to its call, and puts its `Caller` into the ASGI scope.

    Before the body is read, so that nobody without a token can make the service parse anything. Probes always pass.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts, authorizer: Authorizer, rate_limit: RateLimit) -> None:
        self._app = app
        self._hosts = hosts
        self._authorizer = authorizer
        self._rate_limit = rate_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "http" and not Matched.of(scope).call.is_probe:
            await self._admit(scope)
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        matched, headers = Matched.of(scope), Headers(scope=scope)
        self._hosts.check(headers.get("host", ""))
        caller = await self._authorizer.identify(matched.call, headers.get("authorization"))
        scope["caller"] = caller
        self._rate_limit.count(caller.name)  # before the refusal that follows, so that it is not free
        caller.check_call(matched)


class LimitBody:
    """Refuses bodies over a limit, by their declared length or while they arrive, and those that take too long.

    Args:
        app: what is guarded.
        settings: with the limits.
        seconds: within which a body must be here: until then it holds one of the requests that may be at work.
    """

    def __init__(self, app: ASGIApp, settings: Settings, seconds: float = _BODY_SECONDS) -> None:
        self._app = app
        self._settings = settings
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = Matched.of(scope).call.body_limit(self._settings)
        too_large = Problem(
            PAYLOAD_TOO_LARGE, f"body: at most {limit:,} bytes; send less, or in several requests"
        )
        if _is_longer(Headers(scope=scope).get("content-length", ""), limit):
            raise too_large
        deadline = asyncio.get_running_loop().time() + self._seconds
        received, is_whole = 0, False

        async def limited() -> Message:
            nonlocal received, is_whole
            if is_whole:  # what follows is that the caller went away
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                detail = f"body: it was not here within {self._seconds:g} seconds; send less, or faster"
                raise Problem(REQUEST_TIMEOUT, detail) from None
            received += len(message.get("body", b""))
            if received > limit:
                raise too_large
            is_whole = not message.get("more_body", False)
            return message

        await self._app(scope, limited, send)


def _is_longer(declared: str, limit: int) -> bool:
    """Whether a Content-Length is over a limit. Compared as text: of thousands of digits Python makes no number."""
    digits = declared.lstrip("0")
    return digits.isdecimal() and (len(digits), digits) > (len(str(limit)), str(limit))
