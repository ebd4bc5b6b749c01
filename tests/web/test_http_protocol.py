"""Heads of requests: what is refused before anybody has looked at a token, and how much of it is kept."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from selector_api.web.http_protocol import HEAD_BYTES, HEAD_SECONDS, HEADERS, PIPELINED, GuardedProtocol
from tests.web.sockets import exchange, head

READ = 256 << 10
"""The most that a loop reads at a time."""
TOO_LARGE = (431, "head-too-large")
GET = head("GET", "/healthz")
CHUNKED = head("POST", "/select", Transfer_Encoding="chunked", Content_Type="application/json")


def with_headers(number: int) -> bytes:
    """A head with so many headers."""
    return GET[:-2] + b"".join(b"H%d: 1\r\n" % each for each in range(number - 1)) + b"\r\n"


def refusal(url: str, *parts: bytes) -> tuple[int, str]:
    status, headers, problem = exchange(url, *parts)
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert headers["x-request-id"] == problem["request_id"]
    assert problem["status"] == status
    return status, problem["code"]


def sent_before_the_end(url: str, parts: Iterator[bytes]) -> int:
    """How many bytes a caller that never reads can send until the service closes the connection."""
    address, sent = httpx.URL(url), 0
    with socket.create_connection((address.host, address.port or 80), timeout=60) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                sent += len(part)
        except (BrokenPipeError, ConnectionResetError):
            return sent
    raise AssertionError("it took everything")


def endless(beginning: bytes, more: bytes, total: int = 128 << 20) -> Iterator[bytes]:
    yield beginning
    part = more * (65_536 // len(more))
    for _ in range(total // len(part)):
        yield part


class TestOfAService:
    def test_a_head_at_the_limit_is_served(self, service_url: str) -> None:
        assert exchange(service_url, with_headers(HEADERS))[0] == 200
        line = GET[:-2] + b"Long: "
        assert exchange(service_url, line + b"x" * (HEAD_BYTES - len(line) - 40) + b"\r\n\r\n")[0] == 200

    def test_one_header_more_is_refused(self, service_url: str) -> None:
        assert refusal(service_url, with_headers(HEADERS + 1)) == TOO_LARGE

    @pytest.mark.parametrize(
        "request_head", [GET[:-2] + b"Long: " + b"x" * HEAD_BYTES, head("GET", "/" + "x" * HEAD_BYTES)]
    )
    def test_a_byte_more_is_refused_whole_or_not(self, service_url: str, request_head: bytes) -> None:
        assert refusal(service_url, request_head + b"\r\n\r\n") == TOO_LARGE
        assert refusal(service_url, request_head.removesuffix(b"\r\n\r\n") + b"x") == TOO_LARGE

    @pytest.mark.parametrize(
        ("beginning", "more"),
        [
            (GET[:-2], b"Some: header\r\n"),
            (GET[:-2] + b"Long: ", b"x"),
            (GET[:-2], b"x"),
            (b"GET /", b"x"),
            (b"", b"\r\n"),
            (CHUNKED + b"1;", b"extension"),
            (CHUNKED + b"1\r\nx\r\n0\r\n", b"Some: trailer\r\n"),
            (b"", GET),
        ],
        ids=["headers", "value", "name", "path", "empty lines", "chunk extension", "trailers", "pipelined"],
    )
    def test_what_has_no_end_is_not_read_to_it(self, service_url: str, beginning: bytes, more: bytes) -> None:
        sent = sent_before_the_end(service_url, endless(beginning, more))
        assert sent < 16 << 20, "kernels buffer a few MB, the service a few 100 KB"

    def test_two_names_of_the_host_are_refused(self, service_url: str) -> None:
        for again in (b"Host: localhost\r\n", b"host: other\r\n"):
            assert refusal(service_url, GET[:-2] + again + b"\r\n") == (400, "invalid-http")

    @pytest.mark.parametrize(
        "junk", [b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"hello\r\n\r\n"]
    )
    def test_what_is_not_http_gets_a_problem(self, service_url: str, junk: bytes) -> None:
        assert refusal(service_url, junk) == (400, "invalid-http")


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Loop:
    """A loop whose time does not pass by itself."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None], Timer]] = []
        self.tasks = 0

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = Timer()
        self.timers.append((seconds, callback, timer))
        return timer

    def create_task(self, coroutine: Any, **_: Any) -> Any:
        self.tasks += 1
        return asyncio.ensure_future(coroutine)

    def pass_time(self) -> None:
        """Let the time for a head pass."""
        for seconds, callback, timer in self.timers:
            if seconds == HEAD_SECONDS and not timer.cancelled:
                callback()


class Timer:
    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


async def answers(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("done")(scope, receive, send)


class Connection:
    """A connection to `app`, without sockets."""

    def __init__(self, app: Any = answers) -> None:
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="off")
        self.loop, self.transport = Loop(), Transport()
        self.protocol = GuardedProtocol(config, ServerState(), {}, self.loop)  # type: ignore[arg-type]
        self.protocol.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        self.protocol.data_received(data)

    @property
    def code(self) -> str:
        """Of the problem that was answered last."""
        return json.loads(self.transport.written.rpartition(b"\r\n\r\n")[2])["code"]

    @property
    def kept(self) -> int:
        """Bytes of the headers that the protocol holds."""
        return sum(len(name) + len(value) for name, value in self.protocol.headers)


pytestmark = pytest.mark.anyio


async def test_of_headers_without_end_one_read_is_kept() -> None:
    connection = Connection()
    connection.send(GET[:-2])
    for _ in range(3):
        if not connection.transport.closed:
            connection.send(b"Some: header\r\n" * (READ // 14))
    assert connection.transport.closed
    assert connection.code == "head-too-large"
    assert connection.kept <= READ


async def test_a_silent_connection_is_closed_and_a_slow_head_is_told() -> None:
    silent, slow = Connection(), Connection()
    for byte in GET[:-1]:
        slow.send(bytes([byte]))
    silent.loop.pass_time()
    slow.loop.pass_time()
    assert silent.transport.closed
    assert silent.transport.written == b""
    assert slow.transport.closed
    assert slow.code == "request-timeout"


async def test_bytes_that_drip_in_do_not_begin_the_time_anew() -> None:
    connection = Connection()
    for byte in GET[:-1]:
        connection.send(bytes([byte]))
    assert len(connection.loop.timers) == 1


async def test_the_time_is_that_of_one_head_not_of_body_or_rest() -> None:
    connection = Connection()
    connection.send(head("POST", "/", Content_Length=5) + b"ab")
    connection.loop.pass_time()
    assert not connection.transport.closed
    connection.send(b"cde")
    await asyncio.sleep(0)
    connection.loop.pass_time()
    assert not connection.transport.closed, "between two requests the keep-alive's time counts"
    connection.send(GET[:-1])
    connection.loop.pass_time()
    assert connection.transport.closed
    assert connection.transport.written.startswith(b"HTTP/1.1 200")
    assert connection.code == "request-timeout"


async def test_a_lost_connection_leaves_no_timer() -> None:
    connection = Connection()
    connection.send(GET[:-1])
    connection.protocol.connection_lost(None)
    assert all(timer.cancelled for *_, timer in connection.loop.timers)


async def test_a_refusal_never_stands_where_the_answer_to_another_request_is_expected() -> None:
    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    connection = Connection(waits)
    connection.send(GET)
    connection.send(with_headers(HEADERS + 1))
    assert connection.transport.closed
    assert connection.transport.written == b""


async def test_requests_that_wait_for_earlier_ones_are_few() -> None:
    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    connection = Connection(waits)
    connection.send(GET * (1 + PIPELINED))
    assert not connection.transport.closed
    connection.send(GET)
    assert connection.transport.closed
    assert len(connection.protocol.pipeline) == PIPELINED


async def test_a_body_that_breaks_off_in_its_framing_is_told_while_nothing_was_answered() -> None:
    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    connection = Connection(waits)
    connection.send(CHUNKED + b"no number\r\n")
    assert connection.transport.closed
    assert connection.code == "invalid-http"
