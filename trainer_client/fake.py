"""The selector in memory, for the tests of those who use the client.

    fake = FakeSelector.with_run("my-run", ["task-1", "task-2", "task-3"])
    client = SelectorClient("http://selector", run="my-run", transport=fake.transport)

It answers the HTTP calls of the contract: pools, runs, selections with keys and leases, reports with their
deduplication (partial, final, late, unsolicited), posteriors, the event log, and problem documents. Its clock
moves only when told to, and it can go away, fail and lose replies. It is not the method: batches are drawn
uniformly whatever the policy says, posteriors follow the update without implicit evidence, and Parquet (which
it neither takes nor gives), policies' domains and token scopes are not there.
"""

import json
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import unquote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from trainer_client._fake_run import FakeRun, Problem, ReportBody, RunBody, SelectBody, domain_of
from trainer_client.models import Task

Body = TypeVar("Body", bound=BaseModel)


class FakeSelector:
    """A selector in memory. Give its `transport` to a client, sync or async; `requests` keeps what came in.

    `seed` settles the draws, `now` is its clock in Unix seconds. With a `token`, calls must carry it.
    """

    def __init__(self, *, seed: int = 0, token: str | None = None):
        self.transport = httpx.MockTransport(self._handle)
        self.requests: list[httpx.Request] = []
        self.now = 1_700_000_000.0
        self._seed = seed
        self._token = token
        self._pools: dict[str, dict[str, Task]] = {}
        self._runs: dict[str, FakeRun] = {}
        self._down = False
        self._failures: deque[tuple[int | None, str | None]] = deque()
        self._losses = 0
        self._one_at_a_time = threading.Lock()

    @classmethod
    def with_run(cls, run: str, tasks: Iterable[str], *, seed: int = 0) -> "FakeSelector":
        """A fake that has one pool, named "pool", of these tasks, and one run over it."""
        fake = cls(seed=seed)
        fake._pools["pool"] = {task: Task(id=task) for task in tasks}
        fake._put_run(run, {"pool": "pool"})
        return fake

    def down(self) -> None:
        """Go away: every call ends in a refused connection."""
        self._down = True

    def up(self) -> None:
        """Come back."""
        self._down = False

    def fail_next(self, calls: int = 1, *, status: int | None = None, retry_after: str | None = None) -> None:
        """Fail this many calls unprocessed: with this HTTP status, or with a lost connection."""
        self._failures.extend([(status, retry_after)] * calls)

    def lose_replies(self, calls: int = 1) -> None:
        """Process the next so many calls, but lose the connection before the answer."""
        self._losses += calls

    def advance(self, seconds: float) -> None:
        """Move the clock on; leases end by it."""
        self.now += seconds

    def evidence(self, run: str) -> dict[str, tuple[float, int]]:
        """Every reported task's successes and trials, summed over the run's commits."""
        sums: dict[str, tuple[float, int]] = {}
        for event in self._run(run).events:
            for outcome in event.get("outcomes", []):
                successes, trials = sums.get(outcome["task"], (0.0, 0))
                sums[outcome["task"]] = (successes + outcome["successes"], trials + outcome["trials"])
        return sums

    def _handle(self, request: httpx.Request) -> httpx.Response:
        with self._one_at_a_time:
            return self._process(request)

    def _process(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self._down:
            raise httpx.ConnectError("the fake selector is down")
        if self._failures:
            status, retry_after = self._failures.popleft()
            if status is None:
                raise httpx.ReadError("the fake selector dropped the connection")
            code = "internal-error" if status == 500 else "overloaded"
            response = _refusal(Problem(status, code, "The fake selector was told to fail."))
            if retry_after is not None:
                response.headers["Retry-After"] = retry_after
            return response
        try:
            response = self._answer(request)
        except Problem as problem:
            response = _refusal(problem)
        if self._losses:
            self._losses -= 1
            raise httpx.ReadError("the fake selector lost the reply")
        return response

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self._token and request.headers.get("Authorization") != f"Bearer {self._token}":
            raise Problem(401, "unauthorized", "The call needs a token that the service knows.")
        for run in self._runs.values():
            run.end_leases(self.now)
        path = request.url.raw_path.partition(b"?")[0].decode()
        params = request.url.params
        match request.method, [unquote(part) for part in path.strip("/").split("/")]:
            case "PUT", ["pools", pool]:
                status = 200 if pool in self._pools else 201
                self._pools.setdefault(pool, {})
                return httpx.Response(status, json=self._pool_view(pool))
            case "GET", ["pools", pool]:
                return httpx.Response(200, json=self._pool_view(pool))
            case "DELETE", ["pools", pool]:
                self._delete_pool(pool)
                return httpx.Response(204)
            case "POST", ["pools", pool, "tasks"]:
                return httpx.Response(200, json=self._add_tasks(pool, _tasks(request)))
            case "PUT", ["runs", name]:
                status = self._put_run(name, _json(request))
                return httpx.Response(status, json=self._run(name).view())
            case "GET", ["runs", name]:
                return httpx.Response(200, json=self._run(name).view())
            case "DELETE", ["runs", name]:
                del self._runs[self._run(name).name]
                return httpx.Response(204)
            case "GET", ["runs", name, "posteriors"]:
                run = self._run(name)
                if request.headers.get("Accept") == "application/vnd.apache.parquet":
                    raise Problem(406, "not-acceptable", "Accept: the fake gives posteriors as JSON only.")
                page = run.posteriors(params.get("task"), int(params.get("cursor", 0)))
                return httpx.Response(200, json=page)
            case "GET", ["runs", name, "events"]:
                events = self._run(name).events[int(params.get("after", 0)) :]
                lines = [json.dumps(event, ensure_ascii=False) + "\n" for event in events]
                headers = {"Content-Type": "application/x-ndjson"}
                return httpx.Response(200, content="".join(lines), headers=headers)
            case "POST", ["select"]:
                body = _checked(SelectBody, _json(request))
                return httpx.Response(200, json=self._run(body.run).select(body, self.now))
            case "POST", ["report"]:
                body = _checked(ReportBody, _json(request))
                return httpx.Response(200, json=self._run(body.run).report(body, self.now))
        raise Problem(404, "not-found", "There is no such call.")

    def _pool(self, pool: str) -> dict[str, Task]:
        if pool not in self._pools:
            raise Problem(404, "unknown-pool", f"There is no pool {pool!r}.")
        return self._pools[pool]

    def _pool_view(self, pool: str) -> dict[str, Any]:
        tasks = self._pool(pool).values()
        domains: dict[str, int] = {}
        for task in tasks:
            domains[domain_of(task)] = domains.get(domain_of(task), 0) + 1
        references = sorted({name for task in tasks for name in task.references})
        return {"pool": pool, "tasks": len(tasks), "domains": domains, "references": references}

    def _delete_pool(self, pool: str) -> None:
        self._pool(pool)
        if any(run.config["pool"] == pool for run in self._runs.values()):
            raise Problem(409, "pool-in-use", f"A run uses pool {pool!r}; delete the run first.")
        del self._pools[pool]

    def _add_tasks(self, pool: str, tasks: list[Task]) -> dict[str, int]:
        there = self._pool(pool)
        new: dict[str, Task] = {}
        for task in tasks:
            known = there.get(task.id) or new.setdefault(task.id, task)
            if (domain_of(known), known.references) != (domain_of(task), task.references):
                raise Problem(409, "task-conflict", f"Task {task.id!r} is there with other values.")
        there.update(new)
        for run in self._runs.values():
            if new and run.config["pool"] == pool:
                run.grow(new, self.now)
        return {"inserted": len(new), "unchanged": len(tasks) - len(new), "tasks": len(there)}

    def _run(self, run: str) -> FakeRun:
        if run not in self._runs:
            raise Problem(404, "unknown-run", f"There is no run {run!r}.")
        return self._runs[run]

    def _put_run(self, run: str, body: Any) -> int:
        config = _checked(RunBody, body).config()
        pool = self._pool(config["pool"])
        if run not in self._runs:
            self._runs[run] = FakeRun(run, config, pool, self._seed, self.now)
            return 201
        if self._runs[run].config != config:
            raise Problem(409, "run-conflict", f"Run {run!r} is there with another config.")
        return 200


def _refusal(problem: Problem) -> httpx.Response:
    headers = {"Content-Type": "application/problem+json"}
    return httpx.Response(problem.status, json=problem.document, headers=headers)


def _json(request: httpx.Request) -> Any:
    try:
        return json.loads(request.content)
    except ValueError as error:
        raise Problem(400, "invalid-json", "The body is not JSON.") from error


def _tasks(request: httpx.Request) -> list[Task]:
    kind = request.headers.get("Content-Type", "").partition(";")[0]
    try:
        if kind == "application/x-ndjson":
            return [Task.model_validate_json(line) for line in request.content.splitlines()]
        if kind == "application/json":
            return TypeAdapter(list[Task]).validate_json(request.content)
    except ValidationError as error:
        raise _invalid(error) from error
    raise Problem(415, "unsupported-media-type", "Content-Type: the fake takes NDJSON and JSON tasks.")


def _checked(model: type[Body], body: Any) -> Body:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> Problem:
    first = error.errors(include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    return Problem(422, "invalid-request", f"{where}: {first['msg']}.")
