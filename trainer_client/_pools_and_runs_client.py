"""The synchronous client's calls about pools and runs, and how it carries plans out."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import httpx

from trainer_client._calls import Calls
from trainer_client._connection import Address
from trainer_client._exchange import Plan, Reply, Request, Wait
from trainer_client._frames import FrameLibrary, frame_library, passing_file, points_frame
from trainer_client.listings import (
    Page,
    PoolSummary,
    PoolTask,
    RunHistory,
    RunSummary,
    SelectionSummary,
)
from trainer_client.models import PoolInfo, PosteriorOrder, PosteriorRow, RunStatus, Task, TaskReceipt

T = TypeVar("T")
Row = TypeVar("Row")


class PoolsAndRunsClient:
    """What a `SelectorClient` can do about pools and runs."""

    _calls: Calls
    _address: Address
    _http: httpx.Client

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

    def add_parquet(self, pool: str, files: Iterable[bytes]) -> TaskReceipt:
        """Add tasks that are written as Parquet files: the fastest way for millions.

        Each file is sent by itself and has at most 250,000 rows: `id` and `domain` (text, integers or UUIDs), and
        `references` (a struct or map of pass rates). Otherwise as `add_tasks`.

        Raises:
            Conflict: a task is there with other values.
        """
        return self._carry_out(self._calls.add_parquet(pool, files))

    def pool(self, pool: str) -> PoolInfo:
        """A pool's counts, domains and reference names."""
        return self._carry_out(self._calls.pool(pool))

    def pools(self) -> Iterator[PoolSummary]:
        """All pools, fetched page by page."""
        yield from self._all(self._calls.pools)

    def pool_tasks(self, pool: str) -> Iterator[PoolTask]:
        """The tasks of a pool, fetched page by page."""
        yield from self._all(lambda cursor: self._calls.pool_tasks(pool, cursor))

    def download_tasks(self, pool: str, path: str | os.PathLike[str]) -> None:
        """Write the tasks of a pool to a Parquet file, which `add_parquet` takes.

        The file is replaced as the answer comes in, so an error on the way leaves a part of it.

        Raises:
            OSError: the file cannot be written.
        """
        self._carry_out(self._calls.download_tasks(pool, path))

    def retire(self, pool: str, tasks: Iterable[str]) -> None:
        """Let no run draw these tasks from now on; their evidence stays."""
        self._carry_out(self._calls.of_pool(pool, "retire", tasks))

    def restore(self, pool: str, tasks: Iterable[str]) -> None:
        """Take back `retire`."""
        self._carry_out(self._calls.of_pool(pool, "restore", tasks))

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
        rewards: Mapping[str, Any] | None = None,
        commit: str | Mapping[str, Any] | None = None,
    ) -> RunStatus:
        """Make a run over a pool, or find the one with this config; omitted parts are the service's defaults.

        `posterior`, `implicit`, `policy` and `rewards` each name a `type`, as in
        `{"type": "thompson", "target": 0.5}` or `{"type": "range", "min": -1, "max": 1}`; `commit` is "selection"
        or `{"outcomes": n}`.

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
            "rewards": rewards,
            "commit": commit,
        }
        return self._carry_out(self._calls.create_run(run, config))

    def fork_run(
        self, new: str, run: str | None = None, *, step: int | None = None, **changes: Any
    ) -> RunStatus:
        """Make a run that begins with the evidence of another one's first `step` commits, or of all.

        The other run stays as it is. Open selections and keys do not come along.

        Args:
            new: the name of the run to make.
            run: the run to fork.
            step: how many of its commits; None: all.
            changes: parts of its config that the new run has otherwise, as `create_run` takes them.
        """
        return self._carry_out(self._calls.fork_run(new, run, step, changes))

    def patch_run(
        self,
        run: str | None = None,
        *,
        policy: Mapping[str, Any] | None = None,
        lease_seconds: float | None = None,
        share_leased: bool | None = None,
        commit: str | Mapping[str, Any] | None = None,
    ) -> RunStatus:
        """Change how a run selects and commits, from now on. Its posterior cannot change: fork it."""
        changes = {
            "policy": policy,
            "lease_seconds": lease_seconds,
            "share_leased": share_leased,
            "commit": commit,
        }
        return self._carry_out(self._calls.patch_run(run, changes))

    def exclude(self, tasks: Iterable[str], run: str | None = None) -> None:
        """Let a run not draw these tasks from now on; their evidence stays."""
        self._carry_out(self._calls.of_run(run, "exclude", tasks))

    def include(self, tasks: Iterable[str], run: str | None = None) -> None:
        """Take back `exclude`."""
        self._carry_out(self._calls.of_run(run, "include", tasks))

    def runs(self, pool: str | None = None) -> Iterator[RunSummary]:
        """All runs, or those over a pool, fetched page by page."""
        yield from self._all(lambda cursor: self._calls.runs(pool, cursor))

    def selections(self, status: str | None = None, run: str | None = None) -> Iterator[SelectionSummary]:
        """A run's selections, or those that are "open", "committed" or "released", fetched page by page."""
        yield from self._all(lambda cursor: self._calls.selections(run, status, cursor))

    def history(self, run: str | None = None, *, points: int | None = None) -> RunHistory:
        """A run's course, in at most so many points."""
        return self._carry_out(self._calls.history(run, points))

    def run_status(self, run: str | None = None, *, max_retries: int | None = None) -> RunStatus:
        """A run's config, step, selections, capability and effective task ratio.

        `max_retries` is how often this call is sent again; None: as often as the client's others.
        """
        return self._carry_out(self._calls.run_status(run, max_retries))

    def delete_run(self, run: str | None = None) -> None:
        """Delete a run with all its evidence."""
        self._carry_out(self._calls.delete_run(run))

    def posteriors(
        self,
        run: str | None = None,
        *,
        task: str | None = None,
        domain: str | None = None,
        search: str | None = None,
        sort: PosteriorOrder | None = None,
    ) -> Iterator[PosteriorRow]:
        """The posterior of every task of the pool, of those of a `domain`, or of one `task`, fetched page by page.

        `search`: only tasks whose id has this text somewhere. In the order of the pool, or as `sort` says: by a
        field of the rows, with a minus the highest first; "last_step" begins with what was reported longest ago.

        A commit between two pages shows in the later one; `download_posteriors` gives one state.
        """
        wanted = {"task": task, "domain": domain, "search": search, "sort": sort}
        yield from self._all(lambda cursor: self._calls.posteriors(run, wanted, cursor))

    def download_posteriors(self, path: str | os.PathLike[str], run: str | None = None) -> None:
        """Write the posterior of every task of the pool, in one state of the run, to a Parquet file.

        Its columns are what a `PosteriorRow` has, the parameters of the run's kind of posterior included. The file
        is replaced as the answer comes in, so an error on the way leaves a part of it; a refusal leaves what was
        there.

        Raises:
            OSError: the file cannot be written.
        """
        self._carry_out(self._calls.download_posteriors(run, path))

    def posteriors_frame(self, run: str | None = None, *, library: FrameLibrary | None = None) -> Any:
        """The posterior of every task of the pool, in one state of the run, as a data frame, a row a task.

        Its columns are those of `download_posteriors`.

        Args:
            run: the run.
            library: whose frame; None: pandas, or polars if that is not installed.

        Raises:
            ModuleNotFoundError: the library is not installed.
        """
        frames = frame_library(library)
        with passing_file() as file:
            self.download_posteriors(file, run)
            return frames.read_parquet(file)

    def history_frame(
        self, run: str | None = None, *, points: int | None = None, library: FrameLibrary | None = None
    ) -> Any:
        """A run's course as a data frame, a row a point, and a column a domain, such as `capability.math`.

        Arguments and errors are those of `history` and `posteriors_frame`.
        """
        frames = frame_library(library)
        return points_frame(frames, self.history(run, points=points).points)

    def _all(self, page_from: Callable[[str | None], Plan[Page[Row]]]) -> Iterator[Row]:
        """The rows of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self._carry_out(page_from(cursor))
            yield from page.rows
            if page.next is None:
                return
            cursor = page.next

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
                except httpx.RequestError as error:
                    reply = error
        except StopIteration as finished:
            return finished.value
        finally:
            plan.close()

    def _send(self, request: Request) -> httpx.Response:
        if request.file is None:
            return self._http.request(**request.arguments(self._address))
        with self._http.stream(**request.arguments(self._address)) as response:
            if not response.is_success:
                response.read()
                return response
            with request.file.open("wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)
        return response
