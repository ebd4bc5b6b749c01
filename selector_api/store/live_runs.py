"""The live runs of this process."""

from __future__ import annotations

from collections.abc import Callable

from selector_api.store.live_run import LiveRun
from selector_api.store.lru import Lru
from selector_api.store.runs import Runs


class LiveRuns:
    """The live runs that this process keeps: those used last."""

    def __init__(self, runs: Runs, begin: Callable[[str], LiveRun], capacity: int = 64) -> None:
        """No live runs yet; `begin` gives one of a run, which has read nothing, and at most `capacity` are kept."""
        self._runs = runs
        self._begin = begin
        self._live_runs: Lru[LiveRun] = Lru(capacity)

    async def of(self, run: str) -> LiveRun:
        """The live run of a run.

        Raises:
            UnknownRun: there is no such run.
        """
        live_run = self._live_runs.get(run)
        if live_run is None:
            await self._runs.find(run)  # a name that is no run's shall not push a live run out
            live_run = self._live_runs.get(run)
        if live_run is None:
            live_run = self._begin(run)
            self._live_runs.put(run, live_run)
        return live_run

    def used_last(self, count: int) -> dict[str, LiveRun]:
        """The live runs used last, at most `count`, by run. To look at them here is no use of them."""
        return dict(self._live_runs.newest(count))

    def __len__(self) -> int:
        return len(self._live_runs)

    def drop(self, run: str) -> None:
        """Keep no live run of this run; if it is asked for again, it is read anew."""
        self._live_runs.drop(run)

    async def close(self) -> None:
        """Wait for the snapshots that are being written."""
        for live_run in self._live_runs:
            await live_run.settled()
