"""Prometheus metrics of runs: of those that this process served last, at most so many.

A scrape brings the replicas of these runs up to date, with two commands a run, and none of them can hold it
up: what Redis has not told within a second is shown as it was known before. Nothing is searched for in Redis.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from selector_api.core.state import RunState
from selector_api.store.errors import StoreError, UnknownRun
from selector_api.store.replicas import Replica
from selector_api.store.store import Store

log = logging.getLogger(__name__)

MAX_DOMAINS = 50
"""Domains of a run that are shown: the first in the pool's order."""
_PATIENCE_SECONDS = 1.0

T = TypeVar("T")


@dataclass(frozen=True)
class Standing:
    """Where a run stands."""

    step: int
    tasks: int
    never_selected: int
    open: int
    committed: int
    expired: int
    last_commit_at: int | None
    ratio: float | None
    ratio_by_domain: Mapping[str, float | None]
    capability: Mapping[str, float | None]
    log_events: int = 0
    since_snapshot: int = 0

    @classmethod
    def of(cls, state: RunState) -> Standing:
        """What follows from the state alone, which knows nothing of the log."""
        return cls(
            step=state.step,
            tasks=state.size,
            never_selected=state.size - state.history.ever_selected,
            open=len(state.leased),
            committed=state.committed,
            expired=state.expired,
            last_commit_at=state.last_commit_at,
            ratio=state.effective_task_ratio(),
            ratio_by_domain=_first(state.effective_task_ratio_by_domain()),
            capability=_first(state.capability),
        )


class RunMetrics(Collector):
    """Shows the runs that were used last.

    Args:
        store: whose runs.
        limit: how many runs are shown; 0 for none.
    """

    def __init__(self, store: Store, limit: int) -> None:
        self._runs = store.runs
        self._replicas = store.replicas
        self._limit = limit
        self._standings: dict[str, Standing] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}

    async def refresh(self) -> None:
        """Bring what is shown up to date, as far as that can be done at once."""
        shown = self._replicas.used_last(self._limit)
        self._standings = {run: standing for run, standing in self._standings.items() if run in shown}
        for run, replica in shown.items():
            if run not in self._reading:
                task = self._reading[run] = asyncio.create_task(self._read(run, replica))
                task.add_done_callback(lambda _, run=run: self._reading.pop(run))
        if self._reading:
            # A slow one is not cancelled: the next scrape shall find what it read.
            await asyncio.wait(list(self._reading.values()), timeout=_PATIENCE_SECONDS)

    async def _read(self, run: str, replica: Replica) -> None:
        try:
            standing = await replica.read(Standing.of)
            folded = replica.folded
            behind = max(0, folded - await self._runs.snapshot_seq(run))
            self._standings[run] = replace(standing, log_events=folded, since_snapshot=behind)
        except UnknownRun:
            self._standings.pop(run, None)
            self._replicas.drop(run)
        except StoreError as error:
            log.warning("the metrics of run %s are not up to date: %s", run, error)

    def collect(self) -> Iterable[Metric]:
        """The metrics of the runs as they were last read."""
        held = GaugeMetricFamily("bots_runs_held", "Runs whose state this process holds")
        held.add_metric((), len(self._replicas))
        yield held
        # Scrapes are answered by a thread, while the next refresh may be at work.
        standings = dict(self._standings)
        for name, text, value in _GAUGES:
            family = GaugeMetricFamily(name, text, labels=("run",))
            for run, standing in standings.items():
                number = value(standing)
                if number is not None:
                    family.add_metric((run,), number)
            yield family
        closed = CounterMetricFamily(
            "bots_run_selections_closed",
            "Selections closed with evidence (committed) and without any (expired)",
            labels=("run", "result"),
        )
        for run, standing in standings.items():
            closed.add_metric((run, "committed"), standing.committed)
            closed.add_metric((run, "expired"), standing.expired)
        yield closed
        for name, text, by_domain in _DOMAIN_GAUGES:
            family = GaugeMetricFamily(name, text, labels=("run", "domain"))
            for run, standing in standings.items():
                for domain, number in by_domain(standing).items():
                    if number is not None:
                        family.add_metric((run, domain), number)
            yield family


_GAUGES: tuple[tuple[str, str, Callable[[Standing], float | None]], ...] = (
    ("bots_run_step", "Commits of the run", lambda run: run.step),
    ("bots_run_tasks", "Tasks of the run", lambda run: run.tasks),
    (
        "bots_run_never_selected_ratio",
        "Share of the run's tasks that were never selected",
        lambda run: run.never_selected / run.tasks if run.tasks else None,
    ),
    ("bots_run_open_leases", "Selections that are leased now", lambda run: run.open),
    (
        "bots_run_effective_task_ratio",
        "Share of the tasks reported in the last 20 commits whose pass rate was strictly between 0 and 1",
        lambda run: run.ratio,
    ),
    (
        "bots_run_last_commit_timestamp_seconds",
        "Unix time of the last commit, by the clock of Redis",
        lambda run: None if run.last_commit_at is None else run.last_commit_at / 1000,
    ),
    ("bots_run_log_events", "Events in the run's log", lambda run: run.log_events),
    (
        "bots_run_events_since_snapshot",
        "Events behind the newest snapshot, which a new process would have to fold",
        lambda run: run.since_snapshot,
    ),
)
_DOMAIN_GAUGES: tuple[tuple[str, str, Callable[[Standing], Mapping[str, float | None]]], ...] = (
    (
        "bots_run_domain_effective_task_ratio",
        "Effective task ratio of the last 20 commits, by domain",
        lambda run: run.ratio_by_domain,
    ),
    ("bots_run_capability", "Capability μ of the model, by domain", lambda run: run.capability),
)


def _first(values: Mapping[str, T]) -> dict[str, T]:
    return dict(islice(values.items(), MAX_DOMAINS))
