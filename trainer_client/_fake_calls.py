"""The fake selector's calls about pools and runs."""

import json
from dataclasses import fields

import httpx
from pydantic import TypeAdapter

from trainer_client import _fake_http as http
from trainer_client._contract.core_config import RunChange, RunConfig
from trainer_client._contract.web_schemas_pools import PoolRequest
from trainer_client._contract.web_schemas_runs import ChangeRequest, RunRequest, TasksRequest
from trainer_client._contract.web_schemas_selections import ReleaseRequest, RenewRequest
from trainer_client._fake_http import Problem
from trainer_client._fake_pool import FakePool
from trainer_client._fake_run import FakeRun

_POOL: TypeAdapter[PoolRequest | None] = TypeAdapter(PoolRequest | None)
RUN: TypeAdapter[RunConfig] = TypeAdapter(RunRequest)
_CHANGE: TypeAdapter[RunChange] = TypeAdapter(ChangeRequest)
_TASK_IDS: TypeAdapter[TasksRequest] = TypeAdapter(TasksRequest)
_RENEW: TypeAdapter[RenewRequest] = TypeAdapter(RenewRequest)
_RELEASE: TypeAdapter[ReleaseRequest | None] = TypeAdapter(ReleaseRequest | None)


class FakePoolsAndRuns:
    """What the fake holds, and the calls that ask for it and change it."""

    def __init__(self, seed: int):
        self.now = 1_700_000_000.0
        self._seed = seed
        self._pools: dict[str, FakePool] = {}
        self._runs: dict[str, FakeRun] = {}

    @property
    def _now(self) -> int:
        """The clock in Unix milliseconds."""
        return round(self.now * 1000)

    def _put_pool(self, request: httpx.Request, name: str) -> httpx.Response:
        http.body_of(request, _POOL)
        status = 200 if name in self._pools else 201
        pool = self._pools.setdefault(name, FakePool(name))
        return httpx.Response(status, json=pool.view())

    def _get_pool(self, _: httpx.Request, name: str) -> httpx.Response:
        return httpx.Response(200, json=self._pool(name).view())

    def _delete_pool(self, _: httpx.Request, name: str) -> httpx.Response:
        pool = self._pool(name)
        if any(run.pool is pool for run in self._runs.values()):
            raise Problem(409, "pool-in-use", f"A run uses pool {name!r}; delete the run first.")
        del self._pools[name]
        return httpx.Response(204)

    def _post_tasks(self, request: httpx.Request, name: str) -> httpx.Response:
        tasks = http.tasks_of(request)
        pool = self._pool(name)
        readers = {run.name: run.reads for run in self._runs.values() if run.pool is pool}
        inserted, extended = pool.add(tasks, readers)
        for run in self._runs.values():
            if (inserted or extended) and run.pool is pool:
                run.grow(self._now)
        receipt = {
            "inserted": inserted,
            "unchanged": len(tasks) - inserted - extended,
            "extended": extended,
            "tasks": len(pool.tasks),
        }
        return httpx.Response(200, json=receipt)

    def _list_pools(self, request: httpx.Request) -> httpx.Response:
        rows = [
            {
                "pool": pool.name,
                "tasks": len(pool.tasks),
                "runs": sum(run.pool is pool for run in self._runs.values()),
            }
            for pool in sorted(self._pools.values(), key=lambda pool: pool.name)
        ]
        return http.page_of_names(request, "pools", "pool", rows)

    def _get_tasks(self, request: httpx.Request, name: str) -> httpx.Response:
        cursor = http.checked(http.CURSOR, request.url.params.get("cursor", "0"), "cursor")
        limit = http.checked(http.TASK_LIMIT, request.url.params.get("limit", "10000"), "limit")
        pool = self._pool(name)
        http.refuse_parquet(request)
        return httpx.Response(200, json=pool.page(int(cursor), limit))

    def _retire(self, retired: bool, request: httpx.Request, name: str) -> httpx.Response:
        tasks = http.body_of(request, _TASK_IDS).tasks
        pool = self._pool(name)
        answer = pool.retire(tasks, retired=retired)
        if answer["changed"]:
            for run in self._runs.values():
                if run.pool is pool:
                    run.note_retired(tasks, "excluded" if retired else "included", self._now)
        return httpx.Response(200, json=answer)

    def _list_runs(self, request: httpx.Request) -> httpx.Response:
        pool = request.url.params.get("pool")
        if pool is not None:
            self._pool(pool)
        runs = sorted(self._runs.values(), key=lambda run: run.name)
        rows = [run.glance() for run in runs if pool in (None, run.pool.name)]
        return http.page_of_names(request, "runs", "run", rows)

    def _patch_run(self, request: httpx.Request, name: str) -> httpx.Response:
        change = http.body_of(request, _CHANGE)
        run = self._run(name)
        changes = {field.name: getattr(change, field.name) for field in fields(change)}
        run.change({field: value for field, value in changes.items() if value is not None}, self._now)
        return httpx.Response(200, json=run.view())

    def _exclude(self, kind: str, request: httpx.Request, name: str) -> httpx.Response:
        tasks = http.body_of(request, _TASK_IDS).tasks
        return httpx.Response(200, json=self._run(name).exclude(tasks, kind, self._now))

    def _get_selections(self, request: httpx.Request, name: str) -> httpx.Response:
        params = request.url.params
        cursor = http.checked(http.CURSOR, params.get("cursor", "0"), "cursor")
        limit = http.checked(http.LIMIT, params.get("limit", "100"), "limit")
        status = http.checked(http.STATUS, params.get("status"), "status")
        return httpx.Response(200, json=self._run(name).selections(status, int(cursor), limit))

    def _renew(self, request: httpx.Request, name: str, selection: str) -> httpx.Response:
        seconds = http.body_of(request, _RENEW).seconds
        run = self._run(name)
        return httpx.Response(200, json=run.lease(run.renew(selection, seconds, self._now)))

    def _release(self, request: httpx.Request, name: str, selection: str) -> httpx.Response:
        http.body_of(request, _RELEASE)
        run = self._run(name)
        return httpx.Response(200, json=run.lease(run.release(selection, self._now)))

    def _get_history(self, request: httpx.Request, name: str) -> httpx.Response:
        points = http.checked(http.LIMIT, request.url.params.get("points", "200"), "points")
        return httpx.Response(200, json=self._run(name).history(points))

    def _put_run(self, request: httpx.Request, name: str) -> httpx.Response:
        created = self._make_run(name, http.body_of(request, RUN))
        return httpx.Response(201 if created else 200, json=self._run(name).view())

    def _get_run(self, _: httpx.Request, name: str) -> httpx.Response:
        return httpx.Response(200, json=self._run(name).view())

    def _delete_run(self, _: httpx.Request, name: str) -> httpx.Response:
        del self._runs[self._run(name).name]
        return httpx.Response(204)

    def _get_posteriors(self, request: httpx.Request, name: str) -> httpx.Response:
        params = request.url.params
        named = http.checked(http.TASK_IDS, params.get_list("task"), "task")
        cursor = http.checked(http.CURSOR, params.get("cursor", "0"), "cursor")
        limit = http.checked(http.TASK_LIMIT, params.get("limit", "10000"), "limit")
        sort = http.checked(http.SORT, params.get("sort"), "sort")
        run = self._run(name)
        http.refuse_parquet(request)
        chosen = run.chosen(named, params.get("domain"), params.get("search", ""), sort)
        return httpx.Response(200, json=run.posteriors(chosen, int(cursor), limit))

    def _refuse_figures(self, request: httpx.Request, name: str) -> httpx.Response:
        self._run(name)
        what = request.url.path.rpartition("/")[2]
        raise Problem(
            404, "not-found", f"path: the fake computes no {what}; ask a service for it, such as `bots serve`"
        )

    def _get_events(self, request: httpx.Request, name: str) -> httpx.Response:
        after = http.checked(http.AFTER, request.url.params.get("after", "0"), "after")
        events = self._run(name).events[after:]
        lines = [json.dumps(event, ensure_ascii=False) + "\n" for event in events]
        return httpx.Response(200, content="".join(lines), headers={"Content-Type": "application/x-ndjson"})

    def _pool(self, name: str) -> FakePool:
        if name not in self._pools:
            raise Problem(
                404, "unknown-pool", f"There is no pool {name!r}; create it with PUT /pools/{{pool}}."
            )
        return self._pools[name]

    def _run(self, name: str) -> FakeRun:
        if name not in self._runs:
            raise Problem(404, "unknown-run", f"There is no run {name!r}; create it with PUT /runs/{{run}}.")
        return self._runs[name]

    def _make_run(self, name: str, config: RunConfig) -> bool:
        """Make a run; False if it is there already with this config."""
        pool = self._pool(config.pool)
        pool.refuse_unknown(config)
        if name not in self._runs:
            self._runs[name] = self._new_run(name, pool.settled(config), pool)
            return True
        if not self._runs[name].is_of(config):
            raise Problem(409, "run-conflict", f"Run {name!r} is there with another config.")
        return False

    def _new_run(self, name: str, config: RunConfig, pool: FakePool) -> FakeRun:
        fork = config.fork
        if fork is None:
            return FakeRun(name, config, pool, self._seed, self._now)
        parent = self._run(fork.run)
        step = parent.step if fork.step is None else fork.step
        if step > parent.step:
            raise Problem(422, "invalid-request", f"fork.step: run {fork.run!r} has {parent.step} commits")
        told = {"run": fork.run, "step": step}
        run = FakeRun(name, config, pool, self._seed, self._now, told)
        run.take_over(parent, fork.step)
        return run
