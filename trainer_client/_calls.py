"""The plan of every call (see `_exchange`), for the sync and the async client alike."""

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from trainer_client._exchange import Plan, Request, answer_of, exchange, file_of, nothing
from trainer_client._spooling import Spooling, report_request
from trainer_client.fallback import Fallback, logger
from trainer_client.models import (
    Outcome,
    Outcomes,
    PoolInfo,
    PosteriorRow,
    Receipt,
    RunStatus,
    Selection,
    Task,
    TaskReceipt,
    outcome_list,
)

# The service takes 32 MiB at a time; smaller batches keep a slow line within the timeout.
BATCH_TASKS = 10_000
BATCH_BYTES = 4 * 2**20

PARQUET = "application/vnd.apache.parquet"

# Seconds. A machine that is gone answers nothing at all, and the trainer waits this long to know.
LONGEST_CONNECT = 5.0


class PosteriorPage(BaseModel):
    """One page of posteriors; `next` is the cursor of the following one, None at the end."""

    posteriors: list[PosteriorRow]
    next: str | None


def http_options(base_url: str, token: str | None, timeout: float | httpx.Timeout) -> dict[str, Any]:
    """The arguments that both of httpx's clients are made with."""
    if not base_url.startswith(("http://", "https://")):
        raise ValueError(f"base_url: got {base_url!r}, it must start with http:// or https://")
    token = token or os.environ.get("SELECTOR_TOKEN") or _mounted_token()
    if not isinstance(timeout, httpx.Timeout):
        timeout = httpx.Timeout(timeout, connect=min(timeout, LONGEST_CONNECT))
    return {
        "base_url": base_url,
        "headers": {"Authorization": f"Bearer {token}"} if token else {},
        "timeout": timeout,
        # Shorter than the 75 s after which the service closes, so that no request meets a closing connection.
        "limits": httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30),
    }


def _mounted_token() -> str | None:
    file = os.environ.get("SELECTOR_TOKEN_FILE")
    if not file:
        return None
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"SELECTOR_TOKEN_FILE: {file} cannot be read: {error}") from error


class Calls:
    """The calls of one client: its run, its patience and its fallback."""

    def __init__(self, run: str | None, max_retries: int, fallback: Fallback | None):
        if max_retries < 0:
            raise ValueError(f"max_retries: got {max_retries}, it must be 0 or more")
        self.run = run
        self.max_retries = max_retries
        self._spooling = None if fallback is None else Spooling(fallback, max_retries)
        self._warned_of_replay = False

    def select(self, batch_size: int, key: str | None, explain: bool) -> Plan[Selection]:
        """One selection; its key is made here, once, so that all attempts ask for the same one."""
        run = self.run_or(None)
        key = uuid.uuid4().hex if key is None else key
        body: dict[str, Any] = {"run": run, "batch_size": batch_size, "key": key}
        if explain:
            body["explain"] = True
        request = _json("POST", "select", body)
        if self._spooling is None:
            return (yield from exchange(request, answer_of(Selection), self.max_retries))
        return (yield from self._spooling.select(request, run, batch_size, key))

    def report(self, selection: Selection, outcomes: Outcomes, final: bool) -> Plan[Receipt]:
        """One report."""
        seen = outcome_list(outcomes)
        if selection.fallback and final and not seen:
            return _nothing_to_release(selection)
        request = report_request(_report_body(selection, seen, final))
        if self._spooling is None:
            receipt = yield from exchange(request, answer_of(Receipt), self.max_retries)
        else:
            receipt = yield from self._spooling.report(request, selection)
        self._check_replay(selection, receipt)
        return receipt

    def flush(self) -> Plan[int]:
        """Send what is spooled; the number of reports that still wait."""
        if self._spooling is None:
            return 0
        return (yield from self._spooling.flush())

    def end(self) -> None:
        """Say so if reports are left for the folder's next client."""
        if self._spooling is not None:
            self._spooling.end()

    def _check_replay(self, selection: Selection, receipt: Receipt) -> None:
        """Warn, once, if a selection was made before and all its reported outcomes had been counted before."""
        if self._warned_of_replay or not selection.replayed:
            return
        if receipt.accepted == 0 and receipt.duplicates > 0:
            self._warned_of_replay = True
            logger.warning(
                "run %r: the outcomes of selection %s had all been reported before and do not count again. "
                "Harmless if this training resumes; but one run per training: a restart from scratch needs "
                "a new run",
                selection.run,
                selection.selection,
            )

    def create_pool(self, pool: str) -> Plan[PoolInfo]:
        """`PUT /pools/{pool}`."""
        return exchange(_json("PUT", _path("pools", pool), {}), answer_of(PoolInfo), self.max_retries)

    def add_tasks(self, pool: str, tasks: Iterable[Task]) -> Plan[TaskReceipt]:
        """`POST /pools/{pool}/tasks`, in as many batches as it takes."""
        inserted = unchanged = 0
        total: int | None = None
        for batch in _batches(tasks):
            request = Request(
                "POST",
                _path("pools", pool, "tasks"),
                content=batch,
                headers={"Content-Type": "application/x-ndjson"},
            )
            receipt = yield from exchange(request, answer_of(TaskReceipt), self.max_retries)
            inserted += receipt.inserted
            unchanged += receipt.unchanged
            total = receipt.tasks
        if total is None:
            total = (yield from self.pool(pool)).tasks
        return TaskReceipt(inserted=inserted, unchanged=unchanged, tasks=total)

    def pool(self, pool: str) -> Plan[PoolInfo]:
        """`GET /pools/{pool}`."""
        return exchange(Request("GET", _path("pools", pool)), answer_of(PoolInfo), self.max_retries)

    def delete_pool(self, pool: str) -> Plan[None]:
        """`DELETE /pools/{pool}`."""
        return exchange(Request("DELETE", _path("pools", pool)), nothing, self.max_retries)

    def create_run(self, run: str, config: Mapping[str, Any]) -> Plan[RunStatus]:
        """`PUT /runs/{run}`; members of `config` that are None are left to the service's defaults."""
        body = {name: value for name, value in config.items() if value is not None}
        return exchange(_json("PUT", _path("runs", run), body), answer_of(RunStatus), self.max_retries)

    def run_status(self, run: str | None) -> Plan[RunStatus]:
        """`GET /runs/{run}`."""
        return exchange(
            Request("GET", _path("runs", self.run_or(run))), answer_of(RunStatus), self.max_retries
        )

    def delete_run(self, run: str | None) -> Plan[None]:
        """`DELETE /runs/{run}`."""
        return exchange(Request("DELETE", _path("runs", self.run_or(run))), nothing, self.max_retries)

    def posteriors(self, run: str | None, task: str | None, cursor: str | None) -> Plan[PosteriorPage]:
        """One page of `GET /runs/{run}/posteriors`."""
        asked = {"task": task, "cursor": cursor}
        request = Request(
            "GET",
            _path("runs", self.run_or(run), "posteriors"),
            params={name: value for name, value in asked.items() if value is not None},
            headers={"Accept": "application/json"},
        )
        return exchange(request, answer_of(PosteriorPage), self.max_retries)

    def download_posteriors(self, run: str | None, path: str | os.PathLike[str]) -> Plan[None]:
        """`GET /runs/{run}/posteriors` as one Parquet file."""
        request = Request(
            "GET",
            _path("runs", self.run_or(run), "posteriors"),
            headers={"Accept": PARQUET},
            file=Path(path),
        )
        return exchange(request, file_of(PARQUET), self.max_retries)

    def events(self, run: str | None, after: int) -> Request:
        """The request of `GET /runs/{run}/events`, whose answer is a stream."""
        return Request("GET", _path("runs", self.run_or(run), "events"), params={"after": str(after)})

    def run_or(self, run: str | None) -> str:
        """The run that a call is about: the one named, else the client's."""
        run = run or self.run
        if not run:
            raise ValueError("run: none given; make the client with run=… or name it in the call")
        return run


def _path(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def _json(method: str, path: str, body: Mapping[str, Any]) -> Request:
    content = json.dumps(body, allow_nan=False).encode()
    return Request(method, path, content, headers={"Content-Type": "application/json"})


def _report_body(selection: Selection, outcomes: Sequence[Outcome], final: bool) -> bytes:
    if not outcomes and not final:
        raise ValueError("outcomes: none given; only final=True releases a selection without any")
    selected = set(selection.tasks)
    for outcome in outcomes:
        if outcome.task not in selected:
            raise ValueError(f"outcomes: task {outcome.task!r} is not of selection {selection.selection!r}")
    body: dict[str, Any] = {"run": selection.run, "selection": selection.selection}
    if selection.fallback:
        body.update(selection=None, key=selection.selection)
    elif final:
        body["final"] = True
    body["outcomes"] = [outcome.model_dump() for outcome in outcomes]
    return json.dumps(body).encode()


def _nothing_to_release(selection: Selection) -> Receipt:
    return Receipt(
        selection=None, accepted=0, duplicates=0, remaining=0, committed=False, step=selection.step
    )


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
