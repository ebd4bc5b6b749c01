from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

import anyio
import anyio.lowlevel
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from selector_api.settings import MEBIBYTE, Settings
from selector_api.web.calls import Call, CallRoute, Calls, MatchCall
from selector_api.web.exception_handlers import problem_of
from selector_api.web.metrics import Metrics
from selector_api.web.middleware import AnswerErrors, LimitBody, LimitConcurrency, Observe
from tests.web.calls import assert_problem, everything
from tests.web.sockets import exchange, head


def route(path: str, call: Call) -> CallRoute:
    @call
    async def nothing() -> None: ...

    return CallRoute(path, nothing, methods=["GET", "POST"])


PROBES = ("/healthz", "/readyz")
CALLS = Calls(
    [
        *(route(path, Call(None, is_probe=True)) for path in PROBES),
        route("/four", Call(None, body_limit=lambda _: 5)),
        route("/twelve/twelve", Call(None, body_limit=lambda _: 14)),
    ]
)


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    matching = MatchCall(app, CALLS)
    return httpx.AsyncClient(transport=httpx.ASGITransport(matching), base_url="http://selector")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await PlainTextResponse(body)(scope, receive, send)


class TestRequestId:
    def test_a_sane_one_is_taken_over(self, http: httpx.Client) -> None:
        sent = f"step-1.{uuid4().hex}_a"
        assert http.get("/healthz", headers={"X-Request-ID": sent}).headers["X-Request-ID"] == sent

    @pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "a;b", "<script>"])
    def test_another_is_replaced(self, http: httpx.Client, sent: str) -> None:
        first, second = (
            http.get("/healthz", headers={"X-Request-ID": sent}).headers["X-Request-ID"] for _ in range(2)
        )
        assert len(first) == len(second) == 32
        assert len({sent, first, second}) == 3

    def test_one_that_is_the_token_is_replaced(self, http: httpx.Client) -> None:
        token = uuid4().hex
        for authorization in (f"Bearer {token}", token):
            headers = {"X-Request-ID": token, "Authorization": authorization}
            assert token not in http.get("/healthz", headers=headers).headers["X-Request-ID"]

    def test_problems_have_one_too(self, http: httpx.Client) -> None:
        answers = [http.get("/nowhere"), http.post("/select"), http.put("/select")]
        assert len({answer.headers["X-Request-ID"] for answer in answers}) == 3


@pytest.mark.anyio
class TestLimitConcurrency:
    async def test_what_is_too_much_is_told_to_come_back_while_probes_pass(self) -> None:
        entered, leave = anyio.Event(), anyio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/select":
                entered.set()
                await leave.wait()
            await PlainTextResponse("done")(scope, receive, send)

        async with client_of(AnswerErrors(LimitConcurrency(slow, limit=1), problem_of)) as http:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(http.get, "/select")
                await entered.wait()
                refused = await http.get("/runs/r")
                assert_problem(refused, 503, "overloaded")
                assert refused.headers["Retry-After"] == "1"
                for probe in PROBES:
                    assert (await http.get(probe)).text == "done"
                leave.set()
            assert (await http.get("/runs/r")).text == "done"

    async def test_what_fails_makes_room(self) -> None:
        async def failing(scope: Scope, receive: Receive, send: Send) -> None:
            raise RuntimeError

        async with client_of(AnswerErrors(LimitConcurrency(failing, limit=1), problem_of)) as http:
            for _ in range(2):
                assert_problem(await http.get("/runs/r"), 500, "internal-error")


@pytest.mark.anyio
class TestAnswerErrors:
    async def test_what_nobody_expected_is_a_problem_that_tells_nothing_inside(self) -> None:
        async def failing(scope: Scope, receive: Receive, send: Send) -> None:
            raise RuntimeError("a secret")

        metrics = Metrics()
        async with client_of(Observe(AnswerErrors(failing, problem_of), metrics)) as http:
            answer = await http.get("/runs/r")
        assert_problem(answer, 500, "internal-error")
        assert "secret" not in answer.text
        assert answer.headers["X-Request-ID"]
        assert b'status="500"' in metrics.exposition()

    async def test_a_broken_answer_does_not_look_whole(self) -> None:
        async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise RuntimeError("too late")

        async with client_of(AnswerErrors(breaking, problem_of)) as http:
            with pytest.raises(RuntimeError, match="too late"):
                await http.get("/runs/r")


@pytest.mark.anyio
class TestLimitBody:
    @pytest.fixture
    async def limited(self) -> AsyncIterator[httpx.AsyncClient]:
        async with client_of(AnswerErrors(LimitBody(echo, Settings()), problem_of)) as http:
            yield http

    @pytest.mark.parametrize("chunked", [False, True])
    async def test_a_path_has_its_limit(self, limited: httpx.AsyncClient, chunked: bool) -> None:
        async def chunks(body: bytes) -> AsyncIterator[bytes]:
            for byte in body:
                yield bytes([byte])

        for path, size in (("/four", 5), ("/twelve/twelve", 14)):
            bodies = [b"x" * size, b"x" * (size + 1)]
            fits, over = [
                await limited.post(path, content=chunks(body) if chunked else body) for body in bodies
            ]
            assert fits.text == "x" * size
            assert "body: " in assert_problem(over, 413, "payload-too-large")["detail"]

    async def test_a_length_of_thousands_of_digits(self, limited: httpx.AsyncClient) -> None:
        for length, status in (("0" * 5000 + "5", 200), ("0" * 5000 + "6", 413), ("9" * 5000, 413)):
            answer = await limited.post("/four", content=b"x" * 5, headers={"Content-Length": length})
            assert answer.status_code == status

    async def test_a_body_that_takes_too_long_holds_nobody_up(self) -> None:
        async def stalled() -> AsyncIterator[bytes]:
            yield b"{"
            await anyio.sleep_forever()

        limited = LimitBody(echo, Settings(), seconds=0.0)
        async with client_of(AnswerErrors(LimitConcurrency(limited, limit=1), problem_of)) as http:
            for _ in range(2):
                answer = await http.post("/report", content=stalled())
                assert "body: " in assert_problem(answer, 408, "request-timeout")["detail"]
                assert answer.headers["Connection"] == "close"
            assert (await http.post("/report", content=b"{}")).text == "{}"

    async def test_an_answer_may_take_longer_than_a_body(self) -> None:
        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            async def parts() -> AsyncIterator[bytes]:
                for _ in range(5):
                    await anyio.lowlevel.checkpoint()
                    yield b"x"

            await Request(scope, receive).body()
            await StreamingResponse(parts())(scope, receive, send)  # which waits for the caller to go away

        async with client_of(LimitBody(slow, Settings(), seconds=0.0)) as http:
            assert (await http.post("/report", content=b"{}")).text == "xxxxx"


PATHS = ["/select", "/report", "/runs/new", "/pools/{pool}/tasks"]
LARGE = ("/report", "/pools/{pool}/tasks")
TYPE = {"Content_Type": "application/json"}


@pytest.fixture
def unchanged(http: httpx.Client, pool: str, run: str) -> Iterator[Callable[[str], tuple[str, str]]]:
    """Method and path of a call whose body is refused; afterwards pool and run are as they were."""
    before = everything(http, pool, run)
    yield lambda path: ("PUT" if path == "/runs/new" else "POST", path.format(pool=pool))
    assert everything(http, pool, run) == before


@pytest.mark.parametrize("path", PATHS)
def test_a_large_body_is_refused_by_its_declared_length(
    service_url: str, unchanged: Callable[[str], tuple[str, str]], path: str
) -> None:
    request = head(*unchanged(path), Content_Length=50 * MEBIBYTE, **TYPE)
    status, _, problem = exchange(service_url, request)
    assert (status, problem["code"]) == (413, "payload-too-large")


@pytest.mark.parametrize("path", PATHS)
def test_a_large_body_is_refused_while_it_arrives(
    service_url: str, unchanged: Callable[[str], tuple[str, str]], path: str
) -> None:
    request = head(*unchanged(path), Transfer_Encoding="chunked", **TYPE)
    chunk = b"100000\r\n" + b"x" * MEBIBYTE + b"\r\n"
    status, _, problem = exchange(service_url, request, *[chunk] * (33 if "{pool}" in path else 9))
    assert (status, problem["code"]) == (413, "payload-too-large")


@pytest.mark.parametrize("path", PATHS)
def test_only_reports_and_tasks_may_be_large(
    http: httpx.Client, unchanged: Callable[[str], tuple[str, str]], path: str
) -> None:
    answer = http.request(*unchanged(path), json={"run": "x" * (64 << 10)})
    if path in LARGE:
        assert_problem(answer, 422, "invalid-request")
    else:
        assert "65,536 bytes" in assert_problem(answer, 413, "payload-too-large")["detail"]


def test_a_length_of_thousands_of_zeros_is_zero(service_url: str) -> None:
    status, _, problem = exchange(service_url, head("POST", "/select", Content_Length="0" * 5000, **TYPE))
    assert (status, problem["code"]) == (422, "invalid-request")


def test_who_sends_50_megabytes_regardless_gets_the_answer(
    http: httpx.Client, unchanged: Callable[[str], tuple[str, str]]
) -> None:
    chunk = b"x" * MEBIBYTE
    for content in (chunk * 50, iter([chunk] * 50)):
        answer = http.request(
            *unchanged("/select"), content=content, headers={"Content-Type": "application/json"}
        )
        assert_problem(answer, 413, "payload-too-large")
    assert http.get("/healthz").status_code == 200
