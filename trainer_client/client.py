"""The synchronous client."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from trainer_client._calls import Calls, http_options
from trainer_client._exchange import EventLines, Plan, Reply, Request, Wait, accepted, pause
from trainer_client.errors import SelectorUnavailable
from trainer_client.fallback import Fallback
from trainer_client.models import (
    Outcomes,
    PoolInfo,
    PosteriorRow,
    Receipt,
    RunStatus,
    Selection,
    Task,
    TaskReceipt,
)

T = TypeVar("T")


class SelectorClient:
    """A trainer's line to the selector. Threads may share it; use it as a context manager or `close` it.

    Every call is tried up to 1 + `max_retries` times: it is sent again after a lost connection, a timeout, a
    408, 429 or 5xx, with exponential backoff, full jitter and respect for `Retry-After` (up to a minute).
    Sending again is always safe. Every call can raise the errors of `trainer_client.errors`.

    Args:
        base_url: where the service is, such as "http://127.0.0.1:8000".
        run: the run that `select` draws for, and that calls about a run mean when none is named.
        token: bearer token; without one, the environment's SELECTOR_TOKEN, or what the file SELECTOR_TOKEN_FILE
            holds, if they are set.
        timeout: seconds for each attempt, of which at most 5 to connect; or an `httpx.Timeout`.
        max_retries: how often a call is sent again.
        transport: an httpx transport, such as `FakeSelector().transport`.
        fallback: what to do while the service is away; with it, `select` and `report` never raise
            `SelectorUnavailable`.

    Raises:
        ValueError: an argument with which no call could work.
    """

    def __init__(
        self,
        base_url: str,
        run: str | None = None,
        *,
        token: str | None = None,
        timeout: float | httpx.Timeout = 30.0,
        max_retries: int = 4,
        transport: httpx.BaseTransport | None = None,
        fallback: Fallback | None = None,
    ):
        self._calls = Calls(run, max_retries, fallback)
        self._http = httpx.Client(transport=transport, **http_options(base_url, token, timeout))

    def select(self, batch_size: int, *, key: str | None = None, explain: bool = False) -> Selection:
        """Ask for the next batch.

        Args:
            batch_size: how many tasks.
            key: 1 to 256 characters. The same key always gets the same selection, also after a restart: a trainer
                passes something like "step-12". Without one, every call gets a new selection.
            explain: whether the selection is to say why each task was chosen.

        Raises:
            BatchTooLarge: fewer tasks can be drawn now. Once a selection was lost, the fallback (if there is one)
                draws the batch instead, since the service may hold the lost one's tasks until its lease ends.
        """
        return self._carry_out(self._calls.select(batch_size, key, explain))

    def report(self, selection: Selection, outcomes: Outcomes, *, final: bool = False) -> Receipt:
        """Tell what came of a selection's tasks, in one report or in parts.

        Reporting again changes nothing; a log warning says so when a replayed selection is reported again.

        Args:
            selection: what `select` gave.
            outcomes: `Outcome`s, or a mapping of each task's id to the rewards of its rollouts, each in [0, 1].
            final: that no more will come, so the selection commits without its missing tasks, or is released if
                there were no outcomes at all.

        Raises:
            ValueError: `outcomes` is empty and not final, or names a task of another selection.
        """
        return self._carry_out(self._calls.report(selection, outcomes, final))

    def flush(self) -> int:
        """Send the reports that wait on disk, one attempt each.

        `select` and `report` do this by themselves. Call it at the end of a training.

        Returns:
            How many still wait.
        """
        return self._carry_out(self._calls.flush())

    def create_pool(self, pool: str) -> PoolInfo:
        """Make a pool, or find the one that is there."""
        return self._carry_out(self._calls.create_pool(pool))

    def add_tasks(self, pool: str, tasks: Iterable[Task]) -> TaskReceipt:
        """Add tasks to a pool; those that are there already are left as they are.

        They are sent in batches, so `tasks` may be a generator of millions. Each batch is taken whole or not
        at all; when one is refused, those before it stay. After a lost reply a batch is sent again, and its tasks
        are then counted as unchanged.

        Raises:
            Conflict: a task is there with other values.
        """
        return self._carry_out(self._calls.add_tasks(pool, tasks))

    def pool(self, pool: str) -> PoolInfo:
        """A pool's counts, domains and reference names."""
        return self._carry_out(self._calls.pool(pool))

    def delete_pool(self, pool: str) -> None:
        """Delete a pool.

        Raises:
            Conflict: a run uses it.
        """
        self._carry_out(self._calls.delete_pool(pool))

    def create_run(
        self,
        run: str,
        pool: str,
        *,
        seed: int | None = None,
        posterior: Mapping[str, Any] | None = None,
        implicit: Mapping[str, Any] | None = None,
        policy: Mapping[str, Any] | None = None,
        lease_seconds: float | None = None,
        share_leased: bool | None = None,
    ) -> RunStatus:
        """Make a run over a pool, or find the one with this config; omitted parts are the service's defaults.

        `posterior`, `implicit` and `policy` each name a `type`, as in `{"type": "thompson", "target": 0.5}`.

        Raises:
            Conflict: the run has another config.
        """
        config = {
            "pool": pool,
            "seed": seed,
            "posterior": posterior,
            "implicit": implicit,
            "policy": policy,
            "lease_seconds": lease_seconds,
            "share_leased": share_leased,
        }
        return self._carry_out(self._calls.create_run(run, config))

    def run_status(self, run: str | None = None) -> RunStatus:
        """A run's config, step, selections, capability and effective task ratio."""
        return self._carry_out(self._calls.run_status(run))

    def delete_run(self, run: str | None = None) -> None:
        """Delete a run with all its evidence."""
        self._carry_out(self._calls.delete_run(run))

    def posteriors(self, run: str | None = None, *, task: str | None = None) -> Iterator[PosteriorRow]:
        """The posterior of every task of the pool, or of one `task`, fetched page by page.

        A commit between two pages shows in the later one; `download_posteriors` gives one state.
        """
        cursor: str | None = None
        while True:
            page = self._carry_out(self._calls.posteriors(run, task, cursor))
            yield from page.posteriors
            if page.next is None:
                return
            cursor = page.next

    def download_posteriors(self, path: str | os.PathLike[str], run: str | None = None) -> None:
        """Write the posterior of every task of the pool, in one state of the run, to a Parquet file.

        Its columns are what a `PosteriorRow` has, the parameters of the run's kind of posterior included. The file
        is replaced as the answer comes in, so an error on the way leaves a part of it; a refusal leaves what was
        there.

        Raises:
            OSError: the file cannot be written.
        """
        self._carry_out(self._calls.download_posteriors(run, path))

    def events(self, run: str | None = None, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """The run's log from the event after `after` on; a broken stream is taken up where it broke."""
        attempt = 0
        while True:
            request = self._calls.events(run, after)
            try:
                with self._http.stream(**request.arguments()) as response:
                    if response.is_success:
                        lines = EventLines(response)
                        for chunk in chain(response.iter_bytes(), [b""]):
                            for event in lines.feed(chunk):
                                after, attempt = event["seq"], 0
                                yield event
                        return
                    response.read()
                    reply: Reply = response
            except httpx.TransportError as error:
                reply = error
            try:
                accepted(request, reply)
            except SelectorUnavailable:
                if attempt >= self._calls.max_retries:
                    raise
            time.sleep(pause(attempt, reply))
            attempt += 1

    def close(self) -> None:
        """Close the connections. Reports that still wait on disk are left to the folder's next client."""
        self._calls.end()
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _carry_out(self, plan: Plan[T]) -> T:
        """Do what the plan of a call says; returns its result."""
        reply: Reply | None = None
        try:
            while True:
                action = plan.send(reply)
                reply = None
                if isinstance(action, Wait):
                    time.sleep(action.seconds)
                    continue
                try:
                    reply = self._send(action)
                except httpx.TransportError as error:
                    reply = error
        except StopIteration as finished:
            return finished.value
        finally:
            plan.close()

    def _send(self, request: Request) -> httpx.Response:
        if request.file is None:
            return self._http.request(**request.arguments())
        with self._http.stream(**request.arguments()) as response:
            if not response.is_success:
                response.read()
                return response
            with request.file.open("wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)
        return response
