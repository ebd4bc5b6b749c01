"""Every call of the contract as steps (see `_exchange`), for the sync and the async client alike."""

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from trainer_client._exchange import Request, Steps, answer_of, exchange, file_of, nothing
from trainer_client.errors import ApiError, BatchTooLarge, Forbidden, SelectorUnavailable, Unauthorized
from trainer_client.fallback import Fallback, logger
from trainer_client.models import (
    Outcome,
    PoolInfo,
    PosteriorRow,
    Receipt,
    RunStatus,
    Selection,
    Task,
    TaskReceipt,
)

# What `report` takes: outcomes, or a mapping of each task to the rewards of its rollouts.
Outcomes = Sequence[Outcome] | Mapping[str, Iterable[float]]

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


def normal(outcomes: Outcomes) -> list[Outcome]:
    """The outcomes as a list, whichever way they were given."""
    if isinstance(outcomes, Mapping):
        return [Outcome.from_rewards(task, rewards) for task, rewards in outcomes.items()]
    return list(outcomes)


class Calls:
    """The calls of one client: its run, its patience and its fallback."""

    def __init__(self, run: str | None, max_retries: int, fallback: Fallback | None):
        if max_retries < 0:
            raise ValueError(f"max_retries: got {max_retries}, it must be 0 or more")
        self.run = run
        self.max_retries = max_retries
        self.fallback = fallback
        self._warned_of_replay = False

    def select(self, batch_size: int, key: str | None, explain: bool) -> Steps[Selection]:
        """One selection; its key is made here, once, so that all attempts ask for the same one."""
        run = self.run_or(None)
        key = uuid.uuid4().hex if key is None else key
        body: dict[str, Any] = {"run": run, "batch_size": batch_size, "key": key}
        if explain:
            body["explain"] = True
        request = _json("POST", "select", body)
        fallback = self.fallback
        if fallback is None:
            return (yield from exchange(request, answer_of(Selection), self.max_retries))
        if batch_size > len(fallback.tasks):
            raise ValueError(
                f"batch_size: got {batch_size}, but the fallback has {len(fallback.tasks)} tasks"
            )
        try:
            yield from self._send_spooled(fallback)
            selection = yield from exchange(request, answer_of(Selection), self._patience(fallback))
        except SelectorUnavailable as error:
            fallback.lost(error)
            fallback.lost_selection = True
            return fallback.select(run, batch_size, key)
        except BatchTooLarge as error:
            fallback.found(fallback.step)
            if not fallback.lost_selection:
                raise
            logger.warning(
                "the selector has too few tasks left, maybe since it still holds those of a selection that was "
                "lost on its way here; this batch comes from the fallback: %s",
                error,
            )
            return fallback.select(run, batch_size, key)
        fallback.found(selection.step)
        return selection

    def report(self, selection: Selection, outcomes: Outcomes, final: bool) -> Steps[Receipt]:
        """One report; with a fallback it is on disk before the first attempt and until it is acknowledged."""
        seen = normal(outcomes)
        if selection.fallback and final and not seen:
            return _nothing_to_release(selection)
        request = _report(selection, seen, final)
        fallback = self.fallback
        if fallback is None:
            receipt = yield from exchange(request, answer_of(Receipt), self.max_retries)
            self._check_replay(selection, receipt)
            return receipt
        spooled = fallback.spool.put(request.content)
        try:
            yield from self._send_spooled(fallback)
            receipt = yield from exchange(request, answer_of(Receipt), self._patience(fallback))
        except SelectorUnavailable as error:
            fallback.lost(error)
            return fallback.receipt(selection)
        except (Unauthorized, Forbidden):
            raise  # the token is at fault, not the report: it stays on disk for a client with a better one
        except ApiError:
            fallback.spool.remove(spooled)
            raise
        else:
            fallback.spool.remove(spooled)
            fallback.found(receipt.step)
            self._check_replay(selection, receipt)
            return receipt
        finally:
            fallback.spool.release(spooled)

    def flush(self) -> Steps[int]:
        """Send what is spooled; the number of reports that still wait."""
        if self.fallback is None:
            return 0
        try:
            yield from self._send_spooled(self.fallback)
        except SelectorUnavailable as error:
            self.fallback.lost(error)
        return len(self.fallback.spool)

    def end(self) -> None:
        """Say so if reports are left for the folder's next client."""
        if self.fallback is not None and (waiting := len(self.fallback.spool)):
            logger.warning("%d reports wait in %s for the next client", waiting, self.fallback.spool.folder)

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

    def _patience(self, fallback: Fallback) -> int:
        return 0 if fallback.away else self.max_retries

    def _send_spooled(self, fallback: Fallback) -> Steps[None]:
        """Send the waiting reports, oldest first, one attempt each.

        While the service is known to be away the first of them is the probe: its failure is raised.
        """
        spool = fallback.spool
        name = ""
        while (report := spool.take(after=name)) is not None:
            name = report.name
            try:
                receipt = yield from exchange(_post_report(report.body), answer_of(Receipt), 0)
            except (Unauthorized, Forbidden):
                raise  # the next report would fare no better, and the caller has to know
            except ApiError as error:
                spool.reject(report, str(error))
            except SelectorUnavailable as error:
                # A report on which the service itself fails must not keep the others waiting.
                if error.status != 500:
                    if fallback.away:
                        raise
                    return
            else:
                spool.remove(report)
                fallback.found(receipt.step)
            finally:
                spool.release(report)

    def create_pool(self, pool: str) -> Steps[PoolInfo]:
        """`PUT /pools/{pool}`."""
        return exchange(_json("PUT", _path("pools", pool), {}), answer_of(PoolInfo), self.max_retries)

    def add_tasks(self, pool: str, tasks: Iterable[Task]) -> Steps[TaskReceipt]:
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

    def pool(self, pool: str) -> Steps[PoolInfo]:
        """`GET /pools/{pool}`."""
        return exchange(Request("GET", _path("pools", pool)), answer_of(PoolInfo), self.max_retries)

    def delete_pool(self, pool: str) -> Steps[None]:
        """`DELETE /pools/{pool}`."""
        return exchange(Request("DELETE", _path("pools", pool)), nothing, self.max_retries)

    def create_run(self, run: str, config: Mapping[str, Any]) -> Steps[RunStatus]:
        """`PUT /runs/{run}`; members of `config` that are None are left to the service's defaults."""
        body = {name: value for name, value in config.items() if value is not None}
        return exchange(_json("PUT", _path("runs", run), body), answer_of(RunStatus), self.max_retries)

    def run_status(self, run: str | None) -> Steps[RunStatus]:
        """`GET /runs/{run}`."""
        return exchange(
            Request("GET", _path("runs", self.run_or(run))), answer_of(RunStatus), self.max_retries
        )

    def delete_run(self, run: str | None) -> Steps[None]:
        """`DELETE /runs/{run}`."""
        return exchange(Request("DELETE", _path("runs", self.run_or(run))), nothing, self.max_retries)

    def posteriors(self, run: str | None, task: str | None, cursor: str | None) -> Steps[PosteriorPage]:
        """One page of `GET /runs/{run}/posteriors`."""
        asked = {"task": task, "cursor": cursor}
        request = Request(
            "GET",
            _path("runs", self.run_or(run), "posteriors"),
            params={name: value for name, value in asked.items() if value is not None},
            headers={"Accept": "application/json"},
        )
        return exchange(request, answer_of(PosteriorPage), self.max_retries)

    def download_posteriors(self, run: str | None, path: str | os.PathLike[str]) -> Steps[None]:
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


def _report(selection: Selection, outcomes: Sequence[Outcome], final: bool) -> Request:
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
    return _post_report(json.dumps(body).encode())


def _nothing_to_release(selection: Selection) -> Receipt:
    return Receipt(
        selection=None, accepted=0, duplicates=0, remaining=0, committed=False, step=selection.step
    )


def _post_report(body: bytes) -> Request:
    return Request("POST", "report", body, headers={"Content-Type": "application/json"})


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
