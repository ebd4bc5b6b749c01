"""The plans of the calls about pools and runs (see `_exchange`), for the sync and the async client alike."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import Field

from trainer_client._exchange import Answer, Plan, Request, answer_of, exchange, file_of, nothing
from trainer_client.listings import (
    Page,
    PoolSummary,
    PoolTask,
    RunHistory,
    RunInsight,
    RunSummary,
    SelectionSummary,
    TaskVisits,
)
from trainer_client.models import PoolInfo, PosteriorRow, RunStatus, Task, TaskReceipt
from trainer_client.outcomes import id_text

# The service takes 32 MiB at a time; smaller batches keep a slow line within the timeout.
BATCH_TASKS = 10_000
BATCH_BYTES = 4 * 2**20

PARQUET = "application/vnd.apache.parquet"


class PosteriorPage(Page[PosteriorRow]):
    """One page of posteriors, which tells `next` also at the end."""

    rows: list[PosteriorRow] = Field(validation_alias="posteriors")
    next: str | None  # pyright: ignore[reportGeneralTypeIssues] - required here


class PoolsAndRuns:
    """The calls about pools and runs of one client: its run and its patience."""

    def __init__(self, run: str | None, max_retries: int | None):
        if max_retries is not None and max_retries < 0:
            raise ValueError(f"max_retries: got {max_retries}, it must be 0 or more")
        self.run = run
        self.max_retries = max_retries

    def create_pool(self, pool: str) -> Plan[PoolInfo]:
        """`PUT /pools/{pool}`."""
        return exchange(
            json_request("PUT", path_of("pools", pool), {}), answer_of(PoolInfo), self.max_retries
        )

    def add_tasks(self, pool: str, tasks: Iterable[Task]) -> Plan[TaskReceipt]:
        """`POST /pools/{pool}/tasks`, in as many batches as it takes."""
        return self._add(pool, _batches(tasks), "application/x-ndjson")

    def add_parquet(self, pool: str, bodies: Iterable[bytes]) -> Plan[TaskReceipt]:
        """The same of Parquet files, one after another."""
        return self._add(pool, bodies, PARQUET)

    def _add(self, pool: str, bodies: Iterable[bytes], media_type: str) -> Plan[TaskReceipt]:
        inserted = unchanged = extended = 0
        total: int | None = None
        for body in bodies:
            request = Request(
                "POST", path_of("pools", pool, "tasks"), content=body, headers={"Content-Type": media_type}
            )
            receipt = yield from exchange(request, answer_of(TaskReceipt), self.max_retries)
            inserted += receipt.inserted
            unchanged += receipt.unchanged
            extended += receipt.extended
            total = receipt.tasks
        if total is None:
            total = (yield from self.pool(pool)).tasks
        return TaskReceipt(inserted=inserted, unchanged=unchanged, extended=extended, tasks=total)

    def pool(self, pool: str) -> Plan[PoolInfo]:
        """`GET /pools/{pool}`."""
        return exchange(Request("GET", path_of("pools", pool)), answer_of(PoolInfo), self.max_retries)

    def delete_pool(self, pool: str) -> Plan[None]:
        """`DELETE /pools/{pool}`."""
        return exchange(Request("DELETE", path_of("pools", pool)), nothing, self.max_retries)

    def create_run(self, run: str, config: Mapping[str, Any]) -> Plan[RunStatus]:
        """`PUT /runs/{run}`; members of `config` that are None are left to the service's defaults."""
        body = {name: value for name, value in config.items() if value is not None}
        return exchange(
            json_request("PUT", path_of("runs", run), body), answer_of(RunStatus), self.max_retries
        )

    def run_status(self, run: str | None, max_retries: int | None = None) -> Plan[RunStatus]:
        """`GET /runs/{run}`; sent again so often, or as often as the client's other calls."""
        retries = self.max_retries if max_retries is None else max_retries
        return exchange(Request("GET", path_of("runs", self.run_or(run))), answer_of(RunStatus), retries)

    def delete_run(self, run: str | None) -> Plan[None]:
        """`DELETE /runs/{run}`."""
        return exchange(Request("DELETE", path_of("runs", self.run_or(run))), nothing, self.max_retries)

    def patch_run(self, run: str | None, changes: Mapping[str, Any]) -> Plan[RunStatus]:
        """`PATCH /runs/{run}`; members of `changes` that are None stay as they are."""
        body = {name: value for name, value in changes.items() if value is not None}
        if not body:
            raise ValueError("nothing to change: give policy, lease_seconds, share_leased or commit")
        request = json_request("PATCH", path_of("runs", self.run_or(run)), body)
        return exchange(request, answer_of(RunStatus), self.max_retries)

    def fork_run(
        self, new: str, run: str | None, step: int | None, changes: Mapping[str, Any]
    ) -> Plan[RunStatus]:
        """`PUT /runs/{new}` with another run's evidence and config, but for `changes`."""
        parent = self.run_or(run)
        config = (yield from self.run_status(parent)).config
        of_its_own = {"fork": {"run": parent} if step is None else {"run": parent, "step": step}}
        given = {name: value for name, value in changes.items() if value is not None}
        if "implicit" in given and "posterior" not in given:  # a config that was answered has it there
            given["posterior"] = {**config["posterior"], "implicit": given.pop("implicit")}
        return (yield from self.create_run(new, {**config, **given, **of_its_own}))

    def of_run(self, run: str | None, what: str, tasks: Iterable[str]) -> Plan[None]:
        """`POST /runs/{run}/exclude` or `/include`."""
        return self._of_tasks(path_of("runs", self.run_or(run), what), tasks)

    def of_pool(self, pool: str, what: str, tasks: Iterable[str]) -> Plan[None]:
        """`POST /pools/{pool}/retire` or `/restore`."""
        return self._of_tasks(path_of("pools", pool, what), tasks)

    def _of_tasks(self, path: str, tasks: Iterable[str]) -> Plan[None]:
        """Tell something of tasks, in as many bodies as it takes."""
        ids = [id_text(task) for task in tasks]
        for first in range(0, len(ids), BATCH_TASKS):
            request = json_request("POST", path, {"tasks": ids[first : first + BATCH_TASKS]})
            yield from exchange(request, nothing, self.max_retries)

    def pools(self, cursor: str | None) -> Plan[Page[PoolSummary]]:
        """A page of `GET /pools`."""
        return self._page(Page[PoolSummary], "pools", {"cursor": cursor})

    def pool_tasks(self, pool: str, cursor: str | None) -> Plan[Page[PoolTask]]:
        """A page of `GET /pools/{pool}/tasks`."""
        return self._page(Page[PoolTask], path_of("pools", pool, "tasks"), {"cursor": cursor})

    def download_tasks(self, pool: str, path: str | os.PathLike[str]) -> Plan[None]:
        """`GET /pools/{pool}/tasks` as one Parquet file."""
        return self._download(path_of("pools", pool, "tasks"), path)

    def runs(self, pool: str | None, cursor: str | None) -> Plan[Page[RunSummary]]:
        """A page of `GET /runs`."""
        return self._page(Page[RunSummary], "runs", {"pool": pool, "cursor": cursor})

    def selections(
        self, run: str | None, status: str | None, cursor: str | None
    ) -> Plan[Page[SelectionSummary]]:
        """A page of `GET /runs/{run}/selections`."""
        path = path_of("runs", self.run_or(run), "selections")
        return self._page(Page[SelectionSummary], path, {"status": status, "cursor": cursor})

    def history(self, run: str | None, points: int | None) -> Plan[RunHistory]:
        """`GET /runs/{run}/history`."""
        asked = {"points": None if points is None else str(points)}
        return self._page(RunHistory, path_of("runs", self.run_or(run), "history"), asked)

    def insight(self, run: str | None, points: int | None) -> Plan[RunInsight]:
        """`GET /runs/{run}/insight`."""
        asked = {"points": None if points is None else str(points)}
        return self._page(RunInsight, path_of("runs", self.run_or(run), "insight"), asked)

    def visits(self, run: str | None, task: str) -> Plan[TaskVisits]:
        """`GET /runs/{run}/visits`."""
        return self._page(TaskVisits, path_of("runs", self.run_or(run), "visits"), {"task": id_text(task)})

    def _page(self, model: type[Answer], path: str, asked: Mapping[str, str | None]) -> Plan[Answer]:
        request = Request(
            "GET",
            path,
            params={name: value for name, value in asked.items() if value is not None},
            headers={"Accept": "application/json"},
        )
        return exchange(request, answer_of(model), self.max_retries)

    def posteriors(
        self, run: str | None, wanted: Mapping[str, str | None], cursor: str | None
    ) -> Plan[PosteriorPage]:
        """One page of `GET /runs/{run}/posteriors`."""
        path = path_of("runs", self.run_or(run), "posteriors")
        return self._page(PosteriorPage, path, {**wanted, "cursor": cursor})

    def download_posteriors(self, run: str | None, path: str | os.PathLike[str]) -> Plan[None]:
        """`GET /runs/{run}/posteriors` as one Parquet file."""
        return self._download(path_of("runs", self.run_or(run), "posteriors"), path)

    def _download(self, path: str, file: str | os.PathLike[str]) -> Plan[None]:
        request = Request("GET", path, headers={"Accept": PARQUET}, file=Path(file))
        return exchange(request, file_of(PARQUET), self.max_retries)

    def events(self, run: str | None, after: int) -> Request:
        """The request of `GET /runs/{run}/events`, whose answer is a stream."""
        return Request("GET", path_of("runs", self.run_or(run), "events"), params={"after": str(after)})

    def run_or(self, run: str | None) -> str:
        """The run that a call is about: the one named, else the client's."""
        run = run or self.run
        if not run:
            raise ValueError("run: none given; make the client with run=… or name it in the call")
        return run


def path_of(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def json_request(method: str, path: str, body: Mapping[str, Any]) -> Request:
    content = json.dumps(body, allow_nan=False).encode()
    return Request(method, path, content, headers={"Content-Type": "application/json"})


def _batches(tasks: Iterable[Task]) -> Iterator[bytes]:
    """The tasks as NDJSON bodies of bounded size; one task alone may exceed it."""
    lines: list[bytes] = []
    size = 0
    for task in tasks:
        line = task.model_dump_json(exclude_defaults=True).encode() + b"\n"
        if lines and (len(lines) == BATCH_TASKS or size + len(line) > BATCH_BYTES):
            yield b"".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield b"".join(lines)
