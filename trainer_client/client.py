"""The synchronous client."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from trainer_client._calls import Calls, Outcomes, http_options
from trainer_client._exchange import EventLines, Outcome, Request, Steps, Wait, accepted, pause
from trainer_client.errors import SelectorUnavailable
from trainer_client.fallback import Fallback
from trainer_client.models import PoolInfo, PosteriorRow, Receipt, RunStatus, Selection, Task, TaskReceipt

T = TypeVar("T")


class SelectorClient:
    """A trainer's line to the selector. Threads may share it; use it as a context manager or `close` it.

    Every call is tried up to 1 + `max_retries` times: it is sent again after a lost connection, a timeout, a
    408, 429 or 5xx, with exponential backoff, full jitter and respect for `Retry-After` (up to a minute).
    Sending again is always safe. Calls raise the errors of `trainer_client.errors`.

        base_url     where the service is, such as "http://127.0.0.1:8000"
        run          the run that `select` draws for, and that calls about a run mean when none is named
        token        bearer token; without one, the environment's SELECTOR_TOKEN, or what the file
                     SELECTOR_TOKEN_FILE holds, if they are set
        timeout      seconds for each attempt, of which at most 5 to connect; or an `httpx.Timeout`
        transport    an httpx transport, such as `FakeSelector().transport`
        fallback     what to do while the service is away; with it, `select` and `report` never raise
                     `SelectorUnavailable`
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

        The same `key` (1 to 256 characters) always gets the same selection, also after a restart: a trainer
        passes something like "step-12". Without one, every call gets a new selection. With `explain` the
        selection says why each task was chosen. Raises `BatchTooLarge` if fewer tasks can be drawn now; once a
        selection was lost, the fallback (if there is one) draws the batch instead, since the service may hold
        the lost one's tasks until its lease ends.
        """
        return self._run(self._calls.select(batch_size, key, explain))

    def report(self, selection: Selection, outcomes: Outcomes, *, final: bool = False) -> Receipt:
        """Tell what came of a selection's tasks, in one report or in parts.

        `outcomes` are `Outcome`s, or a mapping of each task's id to the rewards of its rollouts, each in
        [0, 1]. `final` says that no more will come, so the selection commits without its missing tasks, or is
        released if there were none at all. Reporting again changes nothing; a log warning says so when a
        replayed selection is reported again.
        Raises ValueError if `outcomes` is empty and not final, or names a task of another selection.
        """
        return self._run(self._calls.report(selection, outcomes, final))

    def flush(self) -> int:
        """Send the reports that wait on disk, one attempt each; returns how many still wait (0: none).

        `select` and `report` do this by themselves. Call it at the end of a training.
        """
        return self._run(self._calls.flush())

    def create_pool(self, pool: str) -> PoolInfo:
        """Make a pool, or find the one that is there."""
        return self._run(self._calls.create_pool(pool))

    def add_tasks(self, pool: str, tasks: Iterable[Task]) -> TaskReceipt:
        """Add tasks to a pool; those that are there already are left as they are.

        They are sent in batches, so `tasks` may be a generator of millions. Each batch is taken whole or not
        at all; when one is refused (`Conflict`: an id again with other values), those before it stay. After a
        lost reply a batch is sent again, and its tasks are then counted as unchanged.
        """
        return self._run(self._calls.add_tasks(pool, tasks))

    def pool(self, pool: str) -> PoolInfo:
        """A pool's counts, domains and reference names."""
        return self._run(self._calls.pool(pool))

    def delete_pool(self, pool: str) -> None:
        """Delete a pool; raises `Conflict` while a run uses it."""
        self._run(self._calls.delete_pool(pool))

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
        Raises `Conflict` if the run has another config.
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
        return self._run(self._calls.create_run(run, config))

    def run_status(self, run: str | None = None) -> RunStatus:
        """A run's config, step, selections, capability and effective task ratio."""
        return self._run(self._calls.run_status(run))

    def delete_run(self, run: str | None = None) -> None:
        """Delete a run with all its evidence."""
        self._run(self._calls.delete_run(run))

    def posteriors(self, run: str | None = None, *, task: str | None = None) -> Iterator[PosteriorRow]:
        """The posterior of every task of the pool, or of one `task`, fetched page by page.

        A commit between two pages shows in the later one; `download_posteriors` gives one state.
        """
        cursor: str | None = None
        while True:
            page = self._run(self._calls.posteriors(run, task, cursor))
            yield from page.posteriors
            if page.next is None:
                return
            cursor = page.next

    def download_posteriors(self, path: str | os.PathLike[str], run: str | None = None) -> None:
        """Write the posterior of every task of the pool, in one state of the run, to a Parquet file.

        The columns are the fields of `PosteriorRow`. The file is replaced as the answer comes in, so an error
        on the way leaves a part of it; a refusal leaves what was there. Raises OSError if it cannot be written.
        """
        self._run(self._calls.download_posteriors(run, path))

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
                    outcome: Outcome = response
            except httpx.TransportError as error:
                outcome = error
            try:
                accepted(request, outcome)
            except SelectorUnavailable:
                if attempt >= self._calls.max_retries:
                    raise
            time.sleep(pause(attempt, outcome))
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

    def _run(self, steps: Steps[T]) -> T:
        """Carry out the steps of a call."""
        outcome: Outcome | None = None
        try:
            while True:
                step = steps.send(outcome)
                outcome = None
                if isinstance(step, Wait):
                    time.sleep(step.seconds)
                    continue
                try:
                    outcome = self._send(step)
                except httpx.TransportError as error:
                    outcome = error
        except StopIteration as finished:
            return finished.value
        finally:
            steps.close()

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
