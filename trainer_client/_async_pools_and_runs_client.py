"""The asynchronous client's calls about pools and runs: the twin of `_pools_and_runs_client`, call by call."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
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


class AsyncPoolsAndRunsClient:
    """What an `AsyncSelectorClient` can do about pools and runs."""

    _calls: Calls
    _address: Address
    _http: httpx.AsyncClient

    async def create_pool(self, pool: str) -> PoolInfo:
        """See `SelectorClient.create_pool`."""
        return await self._carry_out(self._calls.create_pool(pool))

    async def add_tasks(self, pool: str, tasks: Iterable[Task]) -> TaskReceipt:
        """See `SelectorClient.add_tasks`."""
        return await self._carry_out(self._calls.add_tasks(pool, tasks))

    async def add_parquet(self, pool: str, files: Iterable[bytes]) -> TaskReceipt:
        """See `SelectorClient.add_parquet`."""
        return await self._carry_out(self._calls.add_parquet(pool, files))

    async def pool(self, pool: str) -> PoolInfo:
        """See `SelectorClient.pool`."""
        return await self._carry_out(self._calls.pool(pool))

    async def pools(self) -> AsyncIterator[PoolSummary]:
        """See `SelectorClient.pools`."""
        async for row in self._all(self._calls.pools):
            yield row

    async def pool_tasks(self, pool: str) -> AsyncIterator[PoolTask]:
        """See `SelectorClient.pool_tasks`."""
        async for row in self._all(lambda cursor: self._calls.pool_tasks(pool, cursor)):
            yield row

    async def download_tasks(self, pool: str, path: str | os.PathLike[str]) -> None:
        """See `SelectorClient.download_tasks`."""
        await self._carry_out(self._calls.download_tasks(pool, path))

    async def retire(self, pool: str, tasks: Iterable[str]) -> None:
        """See `SelectorClient.retire`."""
        await self._carry_out(self._calls.of_pool(pool, "retire", tasks))

    async def restore(self, pool: str, tasks: Iterable[str]) -> None:
        """See `SelectorClient.restore`."""
        await self._carry_out(self._calls.of_pool(pool, "restore", tasks))

    async def delete_pool(self, pool: str) -> None:
        """See `SelectorClient.delete_pool`."""
        await self._carry_out(self._calls.delete_pool(pool))

    async def create_run(
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
        """See `SelectorClient.create_run`."""
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
        return await self._carry_out(self._calls.create_run(run, config))

    async def fork_run(
        self, new: str, run: str | None = None, *, step: int | None = None, **changes: Any
    ) -> RunStatus:
        """See `SelectorClient.fork_run`."""
        return await self._carry_out(self._calls.fork_run(new, run, step, changes))

    async def patch_run(
        self,
        run: str | None = None,
        *,
        policy: Mapping[str, Any] | None = None,
        lease_seconds: float | None = None,
        share_leased: bool | None = None,
        commit: str | Mapping[str, Any] | None = None,
    ) -> RunStatus:
        """See `SelectorClient.patch_run`."""
        changes = {
            "policy": policy,
            "lease_seconds": lease_seconds,
            "share_leased": share_leased,
            "commit": commit,
        }
        return await self._carry_out(self._calls.patch_run(run, changes))

    async def exclude(self, tasks: Iterable[str], run: str | None = None) -> None:
        """See `SelectorClient.exclude`."""
        await self._carry_out(self._calls.of_run(run, "exclude", tasks))

    async def include(self, tasks: Iterable[str], run: str | None = None) -> None:
        """See `SelectorClient.include`."""
        await self._carry_out(self._calls.of_run(run, "include", tasks))

    async def runs(self, pool: str | None = None) -> AsyncIterator[RunSummary]:
        """See `SelectorClient.runs`."""
        async for row in self._all(lambda cursor: self._calls.runs(pool, cursor)):
            yield row

    async def selections(
        self, status: str | None = None, run: str | None = None
    ) -> AsyncIterator[SelectionSummary]:
        """See `SelectorClient.selections`."""
        async for row in self._all(lambda cursor: self._calls.selections(run, status, cursor)):
            yield row

    async def history(self, run: str | None = None, *, points: int | None = None) -> RunHistory:
        """See `SelectorClient.history`."""
        return await self._carry_out(self._calls.history(run, points))

    async def run_status(self, run: str | None = None, *, max_retries: int | None = None) -> RunStatus:
        """See `SelectorClient.run_status`."""
        return await self._carry_out(self._calls.run_status(run, max_retries))

    async def delete_run(self, run: str | None = None) -> None:
        """See `SelectorClient.delete_run`."""
        await self._carry_out(self._calls.delete_run(run))

    async def posteriors(
        self,
        run: str | None = None,
        *,
        task: str | None = None,
        domain: str | None = None,
        search: str | None = None,
        sort: PosteriorOrder | None = None,
    ) -> AsyncIterator[PosteriorRow]:
        """See `SelectorClient.posteriors`."""
        wanted = {"task": task, "domain": domain, "search": search, "sort": sort}
        async for row in self._all(lambda cursor: self._calls.posteriors(run, wanted, cursor)):
            yield row

    async def download_posteriors(self, path: str | os.PathLike[str], run: str | None = None) -> None:
        """See `SelectorClient.download_posteriors`."""
        await self._carry_out(self._calls.download_posteriors(run, path))

    async def posteriors_frame(self, run: str | None = None, *, library: FrameLibrary | None = None) -> Any:
        """See `SelectorClient.posteriors_frame`."""
        frames = frame_library(library)
        with passing_file() as file:
            await self.download_posteriors(file, run)
            return frames.read_parquet(file)

    async def history_frame(
        self, run: str | None = None, *, points: int | None = None, library: FrameLibrary | None = None
    ) -> Any:
        """See `SelectorClient.history_frame`."""
        frames = frame_library(library)
        return points_frame(frames, (await self.history(run, points=points)).points)

    async def _all(self, page_from: Callable[[str | None], Plan[Page[Row]]]) -> AsyncIterator[Row]:
        """The rows of a list, page by page."""
        cursor: str | None = None
        while True:
            page = await self._carry_out(page_from(cursor))
            for row in page.rows:
                yield row
            if page.next is None:
                return
            cursor = page.next

    async def _carry_out(self, plan: Plan[T]) -> T:
        """Do what the plan of a call says; returns its result."""
        reply: Reply | None = None
        try:
            while True:
                action = plan.send(reply)
                reply = None
                if isinstance(action, Wait):
                    await asyncio.sleep(action.seconds)
                    continue
                try:
                    reply = await self._send(action)
                except httpx.RequestError as error:
                    reply = error
        except StopIteration as finished:
            return finished.value
        finally:
            plan.close()

    async def _send(self, request: Request) -> httpx.Response:
        if request.file is None:
            return await self._http.request(**request.arguments(self._address))
        async with self._http.stream(**request.arguments(self._address)) as response:
            if not response.is_success:
                await response.aread()
                return response
            with request.file.open("wb") as file:
                async for chunk in response.aiter_bytes():
                    file.write(chunk)
        return response
