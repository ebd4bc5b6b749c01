"""uvicorn's protocol, with limits to what a connection may send before anybody has looked at it.

Heads are read before any token is seen, and the parser keeps a header until its end.
"""

from __future__ import annotations

import sys
import uuid
from asyncio import TimerHandle, Transport
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from selector_api.web.problems import HEAD_TOO_LARGE, INVALID_HTTP, OVERLOADED, REQUEST_TIMEOUT, Problem

HEAD_BYTES = 64 << 10
HEADERS = 100
HEAD_SECONDS = 10.0
PIPELINED = 16
"""Requests of one connection that may wait for the answer to an earlier one."""

log = structlog.get_logger("selector_api.access")


class GuardedProtocol(HttpToolsProtocol):
    """Refuses heads that are too large or too slow, requests with two Host headers, and what is not HTTP.

    One read of a socket (256 KB) is the most that is kept beyond the limits. What surrounds a chunk of a body, and
    the headers behind a body, count as a head does.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._reads_head = True
        self._unfinished = 0
        """Bytes since the end of a head or a piece of a body."""
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Wait for the first head, but not for long."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as far as the limits go."""
        self._unfinished += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unfinished > HEAD_BYTES or len(self.headers or ()) > HEADERS:
            self._refuse(_too_large())
        elif self._reads_head and self._unfinished and self._timer is None:
            self._start_timer()

    def on_headers_complete(self) -> None:
        """Begin to serve the request, if its head may be.

        Raises:
            Problem: head-too-large, invalid-http or overloaded.
        """
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEAD_BYTES or len(self.headers) > HEADERS:
            raise _too_large()
        if sum(name == b"host" for name, _ in self.headers) > 1:
            raise Problem(INVALID_HTTP, "Host: send it once")
        if len(self.pipeline) >= PIPELINED:
            raise Problem(OVERLOADED, "connection: wait for answers before sending more requests on it")
        self._stop_timer()
        self._reads_head, self._unfinished = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """From here on the next request is read."""
        self._reads_head, self._unfinished = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser refused: what was raised here is the reason, if anything was."""
        raised = sys.exception()
        cause = raised.__context__ if raised else None
        is_ours = isinstance(cause, Problem)
        self._refuse(cause if is_ours else Problem(INVALID_HTTP, "request: it could not be read as HTTP/1.1"))

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        if self._unfinished:
            self._refuse(Problem(REQUEST_TIMEOUT, f"head: it was not here within {HEAD_SECONDS:g} seconds"))
        else:
            self.transport.close()  # who has sent nothing waits for no answer

    def _refuse(self, problem: Problem) -> None:
        """Answer with a problem, unless that would stand where another answer is expected; close the connection."""
        request_id = uuid.uuid4().hex
        log.info("request refused", request_id=request_id, status=problem.kind.status, code=problem.kind.code)
        if self._awaits_answer():
            with bound_contextvars(request_id=request_id):
                answer = problem.response()
            headers = [
                *self.server_state.default_headers,
                *((name, value) for name, value in answer.raw_headers if name != b"connection"),
                (b"x-request-id", request_id.encode()),
                (b"connection", b"close"),
            ]
            lines = b"".join(b"%b: %b\r\n" % header for header in headers)
            self.transport.write(STATUS_LINE[answer.status_code] + lines + b"\r\n" + bytes(answer.body))
        self.transport.close()

    def _awaits_answer(self) -> bool:
        """Whether the next answer on the connection is that to what is being read."""
        if self._reads_head:
            return self.cycle is None or self.cycle.response_complete
        return not (self.pipeline or self.cycle.response_started)


def _too_large() -> Problem:
    return Problem(HEAD_TOO_LARGE, f"head: at most {HEAD_BYTES:,} bytes and {HEADERS} headers")
