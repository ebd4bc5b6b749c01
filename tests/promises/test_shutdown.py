"""Replicas end one after the other, as in a rolling upgrade, and nobody notices."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.promises import logs
from tests.promises.balancer import Balancer
from tests.promises.pair import tasks_of, until
from tests.service import Service
from trainer_client import Outcome, SelectorClient, Task

WORKERS = 8
BATCH = 4
RUN = "run"


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Service]:
    """A service that only keeps the Valkey for others."""
    service = Service(tmp_path / "owner").start()
    yield service
    assert service.stop() == 0, service.log()


def replica_of(owner: Service, folder: Path, drain_seconds: float) -> Service:
    return Service(folder, owner.redis_url, {"SELECTOR_DRAIN_SECONDS": str(drain_seconds)}).start()


class CountingTransport(httpx.HTTPTransport):
    """Counts the attempts that came to nothing, which the client makes again."""

    def __init__(self) -> None:
        super().__init__()
        self.failed = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = super().handle_request(request)
        except httpx.TransportError:
            self.failed += 1
            raise
        self.failed += response.status_code >= 500
        return response


class Worker:
    """A trainer: selects and reports until it is told to stop, and remembers what was acknowledged."""

    def __init__(self, number: int, url: str, enough: threading.Event) -> None:
        self._number, self._url, self._enough = number, url, enough
        self.transport = CountingTransport()
        self.calls = 0
        self.acknowledged: dict[tuple[str, str], tuple[float, int]] = {}

    def work(self) -> None:
        with SelectorClient(self._url, RUN, transport=self.transport) as client:
            while not self._enough.is_set():
                selection = client.select(BATCH, key=f"worker-{self._number}-{self.calls}")
                for part in (selection.tasks[:1], selection.tasks[1:]):
                    outcomes = [Outcome(task=task, successes=self._number, trials=16) for task in part]
                    assert client.report(selection, outcomes).accepted == len(part)
                    for task in part:
                        self.acknowledged[selection.selection, task] = (self._number, 16)
                self.calls += 3


def test_replicas_end_one_after_the_other_under_load(owner: Service, tmp_path: Path) -> None:
    calls, failed = calls_while_replicas_end(owner, tmp_path, drain_seconds=1.0, balancer_looks=True)
    assert failed == 0, f"of {calls} calls"


def test_calls_that_fail_are_noticed_here_and_made_again_by_the_client(
    owner: Service, tmp_path: Path
) -> None:
    _, failed = calls_while_replicas_end(owner, tmp_path, drain_seconds=0.0, balancer_looks=False)
    assert failed > 0


def calls_while_replicas_end(
    owner: Service, folder: Path, *, drain_seconds: float, balancer_looks: bool
) -> tuple[int, int]:
    """How many calls the trainers made and how many attempts failed; what was acknowledged is in the log, once.

    Args:
        owner: has the Valkey.
        folder: for the replicas.
        drain_seconds: for which a replica that ends goes on serving.
        balancer_looks: whether the balancer notices it.
    """
    replicas = [replica_of(owner, folder / name, drain_seconds) for name in ("a", "b")]
    tasks = tasks_of(2 * WORKERS * BATCH)
    enough = threading.Event()
    with Balancer([replica.port for replica in replicas]).running() as balancer:
        until(lambda: len(balancer.ready) == 2)
        with SelectorClient(balancer.url) as client:
            client.create_pool("pool")
            client.add_tasks("pool", [Task(**task) for task in tasks])
            client.create_run(RUN, "pool")
        workers = [Worker(number, balancer.url, enough) for number in range(WORKERS)]

        def progress(calls: int) -> None:
            """Wait until every worker has made so many more calls, or one has failed."""
            goals = [worker.calls + calls for worker in workers]
            until(
                lambda: (
                    all(worker.calls >= goal for worker, goal in zip(workers, goals, strict=True))
                    or any(working.done() for working in workings)
                )
            )

        with ThreadPoolExecutor(WORKERS) as threads:
            workings = [threads.submit(worker.work) for worker in workers]
            try:
                progress(6)
                balancer.looks = balancer_looks
                for replica in replicas:
                    assert replica.stop() == 0, replica.log()
                    progress(6)
                    replica.start()
                    until(lambda: len(balancer.ready) == 2)  # at once, if it does not look
                    progress(6)
            finally:
                enough.set()
            for working in workings:
                working.result()
        lines = httpx.get(f"{owner.url}/runs/{RUN}/events").text.splitlines()
    for replica in replicas:
        assert replica.stop() == 0, replica.log()

    acknowledged = {place: value for worker in workers for place, value in worker.acknowledged.items()}
    events = [json.loads(line) for line in lines]
    logs.check_order(events)
    assert logs.evidence(events) == acknowledged
    calls, failed = (
        sum(values) for values in zip(*((w.calls, w.transport.failed) for w in workers), strict=True)
    )
    return calls, failed


def test_it_is_first_not_ready_then_gone(owner: Service, tmp_path: Path) -> None:
    replica = replica_of(owner, tmp_path / "replica", drain_seconds=300)
    with httpx.Client(base_url=replica.url, timeout=30) as http:
        assert "connection" not in http.get("/readyz").headers
        replica.ask_to_end()
        until(lambda: http.get("/readyz").status_code == 503)
        refused = http.get("/readyz")
        assert refused.json()["code"] == "shutting-down"
        assert refused.headers["Retry-After"] == "1"
        for _ in range(3):
            answer = http.put("/pools/pool", json={})
            assert answer.status_code in (200, 201)
            assert answer.headers["Connection"] == "close"
        assert http.get("/healthz").status_code == 200
    assert replica.stop() == 0, replica.log()  # a second SIGTERM does not wait for the 300 s
