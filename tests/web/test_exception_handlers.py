"""Redis goes away under the service, and comes back."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest

from selector_api.core.select import TooFewTasks
from selector_api.store import errors as store
from selector_api.store.embedded_valkey import find_binary
from selector_api.web import problems
from selector_api.web.exception_handlers import problem_of
from tests.service import Service
from tests.web.calls import TASKS, add_tasks, assert_problem, everything, report, seen, select


class Valkey:
    """A Valkey that is not the service's own child, so that nobody starts it again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = f"unix://{folder / 'socket'}"

    def start(self) -> None:
        options = {
            "port": "0",
            "unixsocket": "socket",
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
        }
        arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [str(find_binary()), *arguments], cwd=self._folder, stdout=subprocess.DEVNULL
        )

    def end(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        self._process.wait(timeout=60)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def dependent(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on that Valkey."""
    deadline = time.monotonic() + 30
    while not Path(valkey.url.removeprefix("unix://")).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    service = Service(tmp_path_factory.mktemp("dependent"), redis_url=valkey.url).start()
    yield service
    assert service.stop() == 0, service.log()


CALLS = [
    ("POST", "/select", {"run": "r", "batch_size": 1}),
    ("POST", "/report", {"run": "r", "selection": "s", "outcomes": [seen("task-0")]}),
    ("PUT", "/pools/p", {}),
    ("GET", "/pools/p", None),
    ("DELETE", "/pools/p", None),
    ("POST", "/pools/p/tasks", TASKS),
    ("PUT", "/runs/r", {"pool": "p"}),
    ("GET", "/runs/r", None),
    ("DELETE", "/runs/r", None),
    ("GET", "/runs/r/posteriors", None),
    ("GET", "/runs/r/events", None),
    ("GET", "/readyz", None),
]


async def ask_everything(url: str) -> list[httpx.Response]:
    """The answers to all calls, made at the same time."""
    answers: list[httpx.Response] = []

    async def ask(method: str, path: str, body: object) -> None:
        answers.append(await http.request(method, path, json=body))

    async with httpx.AsyncClient(base_url=url, timeout=60) as http, anyio.create_task_group() as tasks:
        for call in CALLS:
            tasks.start_soon(ask, *call)
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_while_redis_is_away_calls_are_told_to_come_back(
    valkey: Valkey, dependent: Service, number: signal.Signals
) -> None:
    with httpx.Client(base_url=dependent.url, timeout=60) as http:
        name = number.name
        http.put(f"/pools/{name}")
        add_tasks(http, name, TASKS)
        http.put(f"/runs/{name}", json={"pool": name})
        selection = select(http, name, key="k")
        before = everything(http, name, name)

        valkey.end(number)
        answers = anyio.run(ask_everything, dependent.url)
        assert len(answers) == len(CALLS)
        for answer in answers:
            assert_problem(answer, 503, "store-unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        for path in ("/healthz", "/docs"):
            assert http.get(path).status_code == 200

        valkey.start()
        dependent.wait_until_ready()
        assert everything(http, name, name) == before
        assert select(http, name, key="k") == selection | {"replayed": True}
        outcomes = [seen(task) for task in selection["tasks"]]
        assert report(http, name, selection["selection"], outcomes)["committed"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (store.StoreUnavailable(), 503, "store-unavailable"),
        (store.Overloaded("run"), 503, "overloaded"),
        (store.UnreadableData("a secret"), 500, "unreadable-data"),
        (ValueError("a secret"), 500, "internal-error"),
    ],
)
def test_what_cannot_be_provoked_from_outside_is_a_problem_too(
    error: Exception, status: int, code: str
) -> None:
    problem = problem_of(error)
    assert (problem.kind.status, problem.kind.code) == (status, code)
    assert "secret" not in problem.detail
    assert ("Retry-After" in problem.headers) == (status == 503)


def leaves(kind: type[store.CallError]) -> Iterator[type[store.CallError]]:
    """The kinds of a failure that are raised."""
    for each in kind.__subclasses__():
        yield from leaves(each) if each.__subclasses__() else [each]


def test_every_failure_that_callers_are_told_of_is_in_the_table() -> None:
    failures = [*leaves(store.CallError), TooFewTasks]
    assert {failure.code for failure in failures} <= problems.KINDS.keys()
