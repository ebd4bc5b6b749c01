"""The asynchronous client: the twin of `client`, call by call."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping
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


class AsyncSelectorClient:
    """`SelectorClient` for asyncio: the same arguments, calls, promises and errors, to be awaited.

    Tasks of one event loop may share it. What goes to disk (with a fallback a report, or a download) is written
    within the event loop, milliseconds at a time on a local disk.
    """

    def __init__(
        self,
        base_url: str,
        run: str | None = None,
        *,
        token: str | None = None,
        timeout: float | httpx.Timeout = 30.0,
        max_retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
        fallback: Fallback | None = None,
    ):
        self._calls = Calls(run, max_retries, fallback)
        self._http = httpx.AsyncClient(transport=transport, **http_options(base_url, token, timeout))

    async def select(self, batch_size: int, *, key: str | None = None, explain: bool = False) -> Selection:
        """See `SelectorClient.select`."""
        return await self._carry_out(self._calls.select(batch_size, key, explain))

    async def report(self, selection: Selection, outcomes: Outcomes, *, final: bool = False) -> Receipt:
        """See `SelectorClient.report`."""
        return await self._carry_out(self._calls.report(selection, outcomes, final))

    async def flush(self) -> int:
        """See `SelectorClient.flush`."""
        return await self._carry_out(self._calls.flush())

    async def create_pool(self, pool: str) -> PoolInfo:
        """See `SelectorClient.create_pool`."""
        return await self._carry_out(self._calls.create_pool(pool))

    async def add_tasks(self, pool: str, tasks: Iterable[Task]) -> TaskReceipt:
        """See `SelectorClient.add_tasks`."""
        return await self._carry_out(self._calls.add_tasks(pool, tasks))

    async def pool(self, pool: str) -> PoolInfo:
        """See `SelectorClient.pool`."""
        return await self._carry_out(self._calls.pool(pool))

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
        }
        return await self._carry_out(self._calls.create_run(run, config))

    async def run_status(self, run: str | None = None) -> RunStatus:
        """See `SelectorClient.run_status`."""
        return await self._carry_out(self._calls.run_status(run))

    async def delete_run(self, run: str | None = None) -> None:
        """See `SelectorClient.delete_run`."""
        await self._carry_out(self._calls.delete_run(run))

    async def posteriors(
        self, run: str | None = None, *, task: str | None = None
    ) -> AsyncIterator[PosteriorRow]:
        """See `SelectorClient.posteriors`."""
        cursor: str | None = None
        while True:
            page = await self._carry_out(self._calls.posteriors(run, task, cursor))
            for row in page.posteriors:
                yield row
            if page.next is None:
                return
            cursor = page.next

    async def download_posteriors(self, path: str | os.PathLike[str], run: str | None = None) -> None:
        """See `SelectorClient.download_posteriors`."""
        await self._carry_out(self._calls.download_posteriors(run, path))

    async def events(self, run: str | None = None, *, after: int = 0) -> AsyncIterator[dict[str, Any]]:
        """See `SelectorClient.events`."""
        attempt = 0
        while True:
            request = self._calls.events(run, after)
            try:
                async with self._http.stream(**request.arguments()) as response:
                    if response.is_success:
                        lines = EventLines(response)
                        async for chunk in response.aiter_bytes():
                            for event in lines.feed(chunk):
                                after, attempt = event["seq"], 0
                                yield event
                        for event in lines.feed(b""):
                            yield event
                        return
                    await response.aread()
                    reply: Reply = response
            except httpx.TransportError as error:
                reply = error
            try:
                accepted(request, reply)
            except SelectorUnavailable:
                if attempt >= self._calls.max_retries:
                    raise
            await asyncio.sleep(pause(attempt, reply))
            attempt += 1

    async def aclose(self) -> None:
        """See `SelectorClient.close`."""
        self._calls.end()
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

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
                except httpx.TransportError as error:
                    reply = error
        except StopIteration as finished:
            return finished.value
        finally:
            plan.close()

    async def _send(self, request: Request) -> httpx.Response:
        if request.file is None:
            return await self._http.request(**request.arguments())
        async with self._http.stream(**request.arguments()) as response:
            if not response.is_success:
                await response.aread()
                return response
            with request.file.open("wb") as file:
                async for chunk in response.aiter_bytes():
                    file.write(chunk)
        return response
