"""Two API processes on one Valkey, and a run that is reached through either of them."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from copy import copy
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import httpx
import redis

from selector_api.store.keys import run_keys
from tests.cluster.kinds import Servers, client_of
from tests.service import Service

T = TypeVar("T")
Task = dict[str, Any]

PATIENCE_SECONDS = 60.0
REPLICAS = (0, 1)
SNAPSHOT_EVERY = 7
"""Events: so often that most of what is read after a restart is a snapshot and a tail."""

_JSON = {"content-type": "application/json"}
_numbers = itertools.count(1)


class Pair:
    """Replica 0 keeps the embedded Valkey, which replica 1 shares, unless there are other servers."""

    def __init__(self, folder: Path, servers: Servers | None = None) -> None:
        environment = {"SELECTOR_SNAPSHOT_EVERY": str(SNAPSHOT_EVERY)}
        self._servers = servers
        owner = Service(folder / "first", servers.url if servers else None, environment)
        self.services = (owner, Service(folder / "second", owner.redis_url, environment))
        self._https = tuple(httpx.Client(base_url=service.url, timeout=30.0) for service in self.services)
        self.redis = client_of(owner.redis_url)

    def start(self) -> None:
        """Start both and return when they serve."""
        for service in self.services:
            service.start()

    def call(self, replica: int, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One call, made again while the replica or its Valkey is away, as trainers do it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                response = self._https[replica].request(method, path, **arguments)
                if response.status_code != 503 or time.monotonic() > deadline:
                    return response
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.02)

    @contextmanager
    def connection(self, replica: int) -> Iterator[Callable[[str, Any], dict[str, Any]]]:
        """What posts to a replica: for thousands of calls, as httpx costs what the service does."""
        service = self.services[replica]
        with closing(HTTPConnection("127.0.0.1", service.port, timeout=30.0)) as http:

            def post(path: str, body: Any) -> dict[str, Any]:
                http.request("POST", path, json.dumps(body), _JSON)
                response = http.getresponse()
                answer = response.read()
                assert response.status == 200, answer
                return json.loads(answer)

            yield post

    def restart(self, replica: int, *, crash: bool) -> None:
        """End one API process, by SIGKILL or SIGTERM, and start it again."""
        service = self.services[replica]
        if crash:
            service.kill()
        else:
            assert service.stop() == 0, service.log()
        service.start()
        self.wait_until_ready()

    def crash(self) -> None:
        """Kill both API processes and start them again."""
        for service in self.services:
            service.kill()
        self.start()

    def crash_valkey(self) -> None:
        """Kill Valkey and return when both replicas serve from its successor."""
        if self._servers is not None:
            self._servers.crash()
        else:
            crashed = self.redis.info("server")["run_id"]
            self.services[0].kill_valkey()
            until(lambda: self._valkey_run_id() not in (None, crashed))
        self.wait_until_ready()

    def _valkey_run_id(self) -> str | None:
        try:
            return self.redis.info("server")["run_id"]
        except redis.ConnectionError:
            return None

    def wait_until_ready(self) -> None:
        for service in self.services:
            service.wait_until_ready()

    def stop(self) -> None:
        """End both, replica 0 and its Valkey last."""
        self.redis.close()
        for http in self._https:
            http.close()
        for service in reversed(self.services):
            assert service.stop() == 0, service.log()


class Run:
    """A new run on a new pool. Every call names the replica that it goes to."""

    def __init__(self, pair: Pair, tasks: Sequence[Task], **config: Any) -> None:
        self.pair = pair
        number = next(_numbers)
        self.name, self.pool = f"run-{number}", f"pool-{number}"
        self.tasks: list[Task] = []
        self.inherited = 0
        """Events of its log that it began with."""
        ok(pair.call(0, "PUT", f"/pools/{self.pool}", json={}))
        self.grow(0, tasks)
        ok(pair.call(1, "PUT", f"/runs/{self.name}", json={"pool": self.pool, **config}))

    def grow(self, replica: int, tasks: Sequence[Task]) -> None:
        """Add new tasks to the pool and remember them."""
        assert ok(self.add_tasks(replica, tasks))["inserted"] == len(tasks)
        self.tasks += tasks

    def add_tasks(self, replica: int, tasks: Sequence[Task]) -> httpx.Response:
        return self.pair.call(replica, "POST", f"/pools/{self.pool}/tasks", json=tasks)

    def select(self, replica: int, batch_size: int, key: str | None = None, **more: Any) -> httpx.Response:
        body = {"run": self.name, "batch_size": batch_size, **more} | ({} if key is None else {"key": key})
        return self.pair.call(replica, "POST", "/select", json=body)

    def report(
        self,
        replica: int,
        selection: str | None,
        outcomes: Iterable[Mapping[str, Any]],
        **more: Any,
    ) -> httpx.Response:
        body = {"run": self.name, "selection": selection, "outcomes": list(outcomes), **more}
        return self.pair.call(replica, "POST", "/report", json=body)

    def renew(self, replica: int, selection: str, seconds: float) -> httpx.Response:
        path = f"/runs/{self.name}/selections/{selection}/renew"
        return self.pair.call(replica, "POST", path, json={"seconds": seconds})

    def release(self, replica: int, selection: str) -> httpx.Response:
        path = f"/runs/{self.name}/selections/{selection}/release"
        return self.pair.call(replica, "POST", path, json={})

    def patch(self, replica: int, **change: Any) -> dict[str, Any]:
        return ok(self.pair.call(replica, "PATCH", f"/runs/{self.name}", json=change))

    def withhold(self, replica: int, call: str, tasks: Sequence[str]) -> dict[str, Any]:
        """Exclude or include tasks of the run, retire or restore tasks of its pool."""
        of = f"/runs/{self.name}" if call in ("exclude", "include") else f"/pools/{self.pool}"
        return ok(self.pair.call(replica, "POST", f"{of}/{call}", json={"tasks": list(tasks)}))

    def fork(self, replica: int, step: int | None = None, **config: Any) -> Run:
        """A run that begins with this one's evidence; `config` is what it has otherwise."""
        fork = copy(self)
        fork.name = f"{self.name}-fork-{next(_numbers)}"
        for at, status in ((replica, 201), (1 - replica, 200)):
            response = self.put_fork(at, fork.name, step, **config)
            assert response.status_code == status, response.text
        fork.inherited = len(fork.events(replica))
        return fork

    def put_fork(self, replica: int, name: str, step: int | None, **config: Any) -> httpx.Response:
        body = self.view(replica)["config"] | config | {"fork": {"run": self.name, "step": step}}
        return self.pair.call(replica, "PUT", f"/runs/{name}", json=body)

    def view(self, replica: int) -> dict[str, Any]:
        return ok(self.pair.call(replica, "GET", f"/runs/{self.name}"))

    def selections(self, replica: int) -> list[dict[str, Any]]:
        answer = ok(self.pair.call(replica, "GET", f"/runs/{self.name}/selections?limit=1000"))
        assert answer["next"] is None
        return answer["selections"]

    def posteriors(self, replica: int) -> list[dict[str, Any]]:
        answer = ok(self.pair.call(replica, "GET", f"/runs/{self.name}/posteriors"))
        assert answer["next"] is None
        return answer["posteriors"]

    def events(self, replica: int) -> list[dict[str, Any]]:
        response = self.pair.call(replica, "GET", f"/runs/{self.name}/events")
        assert response.status_code == 200, response.text
        return [json.loads(line) for line in response.content.split(b"\n") if line]

    def seen(self) -> list[Any]:
        """All that can be seen of the run, by either replica."""
        return [(self.view(at), self.posteriors(at), self.events(at)) for at in REPLICAS]

    def end_lease(self, selection: str) -> None:
        """Make an open selection's lease end in 1970, so that the next call finds it over."""
        self.pair.redis.zadd(run_keys(self.name).leases, {selection: 1}, xx=True)


def ok(response: httpx.Response) -> dict[str, Any]:
    """The answer of a call that was taken."""
    assert response.status_code in (200, 201), response.text
    return response.json()


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem that a call was refused with."""
    problem = response.json()
    assert (response.status_code, problem.get("code")) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    return problem


def outcome(task: str, successes: float, trials: int = 16) -> dict[str, Any]:
    return {"task": task, "successes": successes, "trials": trials}


def tasks_of(count: int, first: int = 0) -> list[Task]:
    """Tasks from number `first` on: of two domains or of none, measured by both references, one or none."""
    tasks: list[Task] = []
    for number in range(first, first + count):
        task: Task = {"id": f"t{number}"}
        if number % 3:
            task["domain"] = ("math", "code")[number % 3 - 1]
        if number % 7 != 6:
            task["references"] = {"weak": number % 4 / 16}
            if number % 7 != 5:
                task["references"]["strong"] = (8 + number % 5) / 16
        tasks.append(task)
    return tasks


def at_once(count: int, function: Callable[[int], T]) -> list[T]:
    """What `function` makes of 0 to count − 1, called by as many threads at the same moment."""
    barrier = Barrier(count)

    def call(number: int) -> T:
        barrier.wait()
        return function(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(call, range(count)))


def until(condition: Callable[[], bool]) -> None:
    """Ask until it holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
