"""The asynchronous client: the twin of `client`, call by call."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import httpx

from trainer_client._async_pools_and_runs_client import AsyncPoolsAndRunsClient
from trainer_client._calls import Calls
from trainer_client._connection import Address, http_options
from trainer_client._exchange import EventLines, Patience, Reply, accepted
from trainer_client.errors import SelectorUnavailable
from trainer_client.fallback import Fallback
from trainer_client.listings import RunInsight, TaskVisits
from trainer_client.models import Receipt, Selection
from trainer_client.outcomes import Drops, Outcomes


class AsyncSelectorClient(AsyncPoolsAndRunsClient):
    """`SelectorClient` for asyncio: the same arguments, calls, promises and errors, to be awaited.

    Tasks of one event loop may share it. What goes to disk (with a fallback a report, or a download) is written
    within the event loop, milliseconds at a time on a local disk.
    """

    def __init__(
        self,
        base_url: str | None = None,
        run: str | None = None,
        *,
        token: str | None = None,
        timeout: float | httpx.Timeout = 30.0,
        max_retries: int | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        fallback: Fallback | None = None,
    ):
        self._calls = Calls(run, max_retries, fallback)
        self._address = Address(base_url)
        self._http = httpx.AsyncClient(transport=transport, **http_options(token, timeout))

    @property
    def run(self) -> str | None:
        """See `SelectorClient.run`."""
        return self._calls.run

    @run.setter
    def run(self, run: str) -> None:
        self._calls.run = run

    @property
    def resumes(self) -> bool:
        """See `SelectorClient.resumes`."""
        return self._calls.resumes

    @resumes.setter
    def resumes(self, resumes: bool) -> None:
        self._calls.resumes = resumes

    @property
    def has_fallback(self) -> bool:
        """See `SelectorClient.has_fallback`."""
        return self._calls.has_fallback

    async def select(
        self,
        batch_size: int | None = None,
        *,
        informative: float | None = None,
        rollouts: int | None = None,
        key: str | None = None,
        explain: bool = False,
        policy_version: int | None = None,
        lease_seconds: float | None = None,
    ) -> Selection:
        """See `SelectorClient.select`."""
        return await self._carry_out(
            self._calls.select(batch_size, informative, rollouts, key, explain, policy_version, lease_seconds)
        )

    async def report(
        self,
        selection: Selection,
        outcomes: Outcomes,
        *,
        dropped: Drops | None = None,
        final: bool = False,
        policy_version: int | None = None,
    ) -> Receipt:
        """See `SelectorClient.report`."""
        return await self._carry_out(
            self._calls.report(selection, outcomes, dropped or {}, final, policy_version)
        )

    async def report_evaluation(self, key: str, outcomes: Outcomes, run: str | None = None) -> Receipt:
        """See `SelectorClient.report_evaluation`."""
        return await self._carry_out(
            self._calls.report_without_selection(run, key, outcomes, evaluation=True, policy_version=None)
        )

    async def report_unsolicited(
        self, key: str, outcomes: Outcomes, run: str | None = None, *, policy_version: int | None = None
    ) -> Receipt:
        """See `SelectorClient.report_unsolicited`."""
        return await self._carry_out(
            self._calls.report_without_selection(
                run, key, outcomes, evaluation=False, policy_version=policy_version
            )
        )

    async def renew(self, selection: Selection, seconds: float) -> Selection:
        """See `SelectorClient.renew`."""
        return await self._carry_out(self._calls.renew(selection, seconds))

    async def release(self, selection: Selection | str) -> None:
        """See `SelectorClient.release`."""
        await self._carry_out(self._calls.release(selection))

    async def flush(self) -> int:
        """See `SelectorClient.flush`."""
        return await self._carry_out(self._calls.flush())

    async def insight(self, run: str | None = None, *, points: int | None = None) -> RunInsight:
        """See `SelectorClient.insight`."""
        return await self._carry_out(self._calls.insight(run, points))

    async def visits(self, task: str, run: str | None = None) -> TaskVisits:
        """See `SelectorClient.visits`."""
        return await self._carry_out(self._calls.visits(run, task))

    async def events(self, run: str | None = None, *, after: int = 0) -> AsyncIterator[dict[str, Any]]:
        """See `SelectorClient.events`."""
        patience = Patience(self._calls.max_retries)
        while True:
            request = self._calls.events(run, after)
            try:
                async with self._http.stream(**request.arguments(self._address)) as response:
                    if response.is_success:
                        lines = EventLines(response)
                        async for chunk in response.aiter_bytes():
                            for event in lines.feed(chunk):
                                after = event["seq"]
                                patience = Patience(self._calls.max_retries)
                                yield event
                        for event in lines.feed(b""):
                            yield event
                        return
                    await response.aread()
                    reply: Reply = response
            except httpx.RequestError as error:
                reply = error
            try:
                accepted(request, reply)
            except SelectorUnavailable:
                seconds = patience.wait_after(reply)
                if seconds is None:
                    raise
                await asyncio.sleep(seconds)

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
