"""The selector in memory, for the tests of those who use the client.

    fake = FakeSelector.with_run("my-run", ["task-1", "task-2", "task-3"])
    client = SelectorClient("http://selector", run="my-run", transport=fake.transport)

It answers the calls of the contract as the service does: pools, runs that change and fork, selections with keys
and leases, reports (partial, final, late, unsolicited, evaluations, drops) that count once, posteriors, lists, the
event log. What the service refuses, it refuses with the same status and code. Its clock moves only when told to,
and it can go away, fail and lose replies.

It is not the method, and what it does not do is this:

* Batches are drawn uniformly, whatever the policy, its domains and the posterior say.
* Posteriors follow the update of `bots` without implicit evidence, whatever their kind; the capability and the
  weights of references are unset.
* A dropped task does not rest. A fork counts neither its parent's selections nor its drops, and not all that was
  told of policy versions.
* What the dashboard computes, a run's insight and cost and a task's visits, is refused with a 404 that says so.
* The log of a fork begins with the fork, and does not tell where its policy began.
* Parquet is neither taken nor given.
* A token is known or not: there are no scopes, limits of rates and bytes, probes and metrics.
"""

import copy
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from urllib.parse import unquote

import httpx
from pydantic import TypeAdapter

from trainer_client import _fake_http as http
from trainer_client._contract.web_schemas_pools import TaskItem
from trainer_client._contract.web_schemas_selections import (
    ReportRequest,
    SelectRequest,
)
from trainer_client._fake_calls import RUN, FakePoolsAndRuns
from trainer_client._fake_http import Problem
from trainer_client._fake_pool import FakePool
from trainer_client._fake_run import FakeRun

_SELECT: TypeAdapter[SelectRequest] = TypeAdapter(SelectRequest)
_REPORT: TypeAdapter[ReportRequest] = TypeAdapter(ReportRequest)


class FakeSelector(FakePoolsAndRuns):
    """A selector in memory. Give its `transport` to a client, sync or async; `requests` keeps what came in.

    `now` is its clock in Unix seconds.

    Args:
        seed: settles the draws.
        token: which calls must carry, if there is one.
    """

    def __init__(self, *, seed: int = 0, token: str | None = None):
        super().__init__(seed)
        self.transport = httpx.MockTransport(self._handle)
        self.requests: list[httpx.Request] = []
        self._token = token
        self._down = False
        self._failures: deque[tuple[int | None, str | None]] = deque()
        self._losses = 0
        self._backup: dict[str, FakeRun] = {}
        self._one_at_a_time = threading.Lock()
        self._calls: dict[tuple[str, ...], dict[str, Callable[..., httpx.Response]]] = {
            ("pools",): {"GET": self._list_pools},
            ("pools", "*"): {"PUT": self._put_pool, "GET": self._get_pool, "DELETE": self._delete_pool},
            ("pools", "*", "tasks"): {"POST": self._post_tasks, "GET": self._get_tasks},
            ("pools", "*", "retire"): {"POST": partial(self._retire, True)},
            ("pools", "*", "restore"): {"POST": partial(self._retire, False)},
            ("runs",): {"GET": self._list_runs},
            ("runs", "*"): {
                "PUT": self._put_run,
                "GET": self._get_run,
                "PATCH": self._patch_run,
                "DELETE": self._delete_run,
            },
            ("runs", "*", "exclude"): {"POST": partial(self._exclude, "excluded")},
            ("runs", "*", "include"): {"POST": partial(self._exclude, "included")},
            ("runs", "*", "selections"): {"GET": self._get_selections},
            ("runs", "*", "selections", "*", "renew"): {"POST": self._renew},
            ("runs", "*", "selections", "*", "release"): {"POST": self._release},
            ("runs", "*", "history"): {"GET": self._get_history},
            **{("runs", "*", what): {"GET": self._refuse_figures} for what in ("insight", "visits", "cost")},
            ("runs", "*", "posteriors"): {"GET": self._get_posteriors},
            ("runs", "*", "events"): {"GET": self._get_events},
            ("select",): {"POST": self._select},
            ("report",): {"POST": self._report},
        }

    @classmethod
    def with_run(cls, run: str, tasks: Iterable[str], *, seed: int = 0) -> "FakeSelector":
        """A fake that has one pool, named "pool", of these tasks, and one run over it."""
        fake = cls(seed=seed)
        pool = fake._pools["pool"] = FakePool("pool")
        pool.add((TaskItem(id=task) for task in tasks), {})
        fake._make_run(run, http.checked(RUN, {"pool": "pool"}))
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

    def backup(self) -> None:
        """Keep what there is now, for `restore`."""
        self._backup = copy.deepcopy(self._runs)

    def restore(self) -> None:
        """Lose all that came to the runs since `backup`, as in a failover to a Redis replica behind it."""
        for name, run in copy.deepcopy(self._backup).items():
            run.go_on_as(self._runs[name])
            self._runs[name] = run

    def advance(self, seconds: float) -> None:
        """Move the clock on; leases end by it."""
        self.now += seconds

    def evidence(self, run: str) -> dict[str, tuple[float, int]]:
        """Every reported task's successes and trials, summed over the run's commits and evaluations."""
        return dict(self._run(run).sums)

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
            problem = Problem(status, code, "The fake selector was told to fail.")
            if retry_after is not None:
                problem.headers["Retry-After"] = retry_after
            return problem.response()
        try:
            response = self._answer(request)
        except Problem as problem:
            response = problem.response()
        if self._losses:
            self._losses -= 1
            raise httpx.ReadError("the fake selector lost the reply")
        return response

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self._token and request.headers.get("Authorization") != f"Bearer {self._token}":
            raise Problem(401, "unauthorized", "The call needs a token that the service knows.")
        for run in self._runs.values():
            run.end_leases(self._now)
        path = unquote(request.url.raw_path.partition(b"?")[0].decode())
        resource, *rest = path.removeprefix("/").split("/")
        methods = self._calls.get(
            (resource, *("*" if place in (0, 2) else part for place, part in enumerate(rest)))
        )
        if methods is None or "" in rest:
            raise Problem(404, "not-found", "path: there is no such call")
        if request.method not in methods:
            problem = Problem(405, "method-not-allowed", "method: there is no such call")
            problem.headers["Allow"] = ", ".join(sorted(methods))
            raise problem
        names = [http.checked(http.NAME, name, resource.removesuffix("s")) for name in rest[:1]] + rest[2:3]
        return methods[request.method](request, *names)

    def _select(self, request: httpx.Request) -> httpx.Response:
        asked = http.body_of(request, _SELECT)
        return httpx.Response(200, json=self._run(asked.run).select(asked, self._now))

    def _report(self, request: httpx.Request) -> httpx.Response:
        sent = http.body_of(request, _REPORT)
        outbox = http.checked(http.OUTBOX, request.headers.get("X-Bots-Outbox"), "X-Bots-Outbox")
        return httpx.Response(200, json=self._run(sent.run).report(sent, self._now, outbox))
