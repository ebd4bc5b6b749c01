"""Prometheus metrics of runs: of those that this process served last, at most so many.

A scrape brings the live runs of these runs up to date, with two commands a run, and none of them can hold it
up: what Redis has not told within a second is shown as it was known before. Nothing is searched for in Redis.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from selector_api.core.posteriors.posterior import Gauge
from selector_api.core.state import RunState
from selector_api.core.status import RunStatus
from selector_api.store.errors import StoreUnavailable
from selector_api.store.live_run import LiveRun
from selector_api.store.refusals import UnknownRun
from selector_api.store.store import Store

log = logging.getLogger(__name__)

MAX_DOMAINS = 50
"""Domains of a run that are shown: the first in the pool's order."""
_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Reading:
    """What was last read of a run."""

    status: RunStatus
    domains: tuple[str, ...]
    """The names of the domains that are shown, by code."""
    gauges: tuple[Gauge, ...]
    """What its kind of posterior shows."""
    timed_out: int
    cooling: int
    """Tasks that cool down after drops."""
    rewinds: int
    evidence_at: int | None
    log_events: int
    since_snapshot: int
    at: float
    """Unix time, by this process's clock."""

    @classmethod
    def of(cls, run: str, state: RunState, log_events: int, snapshot_seq: int) -> Reading:
        """The state of the run with this name, folded from so many events, and the `seq` of its snapshot."""
        return cls(
            status=RunStatus.of(run, state, MAX_DOMAINS),
            domains=state.domains(MAX_DOMAINS),
            gauges=state.posterior.metrics(),
            timed_out=state.timed_out,
            cooling=state.history.tallies.cooling_count(state.step),
            rewinds=state.rewinds,
            evidence_at=state.evidence_at,
            log_events=log_events,
            since_snapshot=max(0, log_events - snapshot_seq),
            at=time.time(),
        )


class RunMetrics(Collector):
    """Shows the runs that were used last.

    Args:
        store: whose runs.
        limit: how many runs are shown; 0 for none.
    """

    def __init__(self, store: Store, limit: int) -> None:
        self._snapshots = store.snapshots
        self._live_runs = store.live_runs
        self._limit = limit
        self._readings: dict[str, Reading] = {}
        self._stale: set[str] = set()
        """Runs that could not be read when it was last tried; it was logged."""
        self._reading: dict[str, asyncio.Task[None]] = {}

    async def refresh(self) -> None:
        """Bring what is shown up to date, as far as that can be done at once."""
        shown = self._live_runs.used_last(self._limit)
        self._readings = {run: reading for run, reading in self._readings.items() if run in shown}
        self._stale &= shown.keys()
        for run, live_run in shown.items():
            if run not in self._reading:
                # In a context of its own: the reads run side by side, and their phases are not the scrape's.
                task = asyncio.create_task(self._read(run, live_run), context=Context())
                self._reading[run] = task
                task.add_done_callback(lambda _, run=run: self._reading.pop(run))
        if self._reading:
            # A slow one is not cancelled: the next scrape shall find what it read.
            await asyncio.wait(list(self._reading.values()), timeout=_PATIENCE_SECONDS)

    async def _read(self, run: str, live_run: LiveRun) -> None:
        try:
            snapshot_seq = await self._snapshots.seq(run)
            reading = await live_run.glance(
                lambda state: Reading.of(run, state, live_run.folded, snapshot_seq)
            )
        except UnknownRun:
            self._leave_out(run)
        except StoreUnavailable as error:
            if run not in self._stale:
                log.warning("the metrics of run %s stay as they are: %s", run, error)
                self._stale.add(run)
        except Exception:
            # Whatever it is, trying again at every scrape would read the run from its beginning each time.
            log.exception("the metrics of run %s are left out until it is called again", run)
            self._leave_out(run)
        else:
            self._readings[run] = reading
            self._stale.discard(run)

    def _leave_out(self, run: str) -> None:
        self._readings.pop(run, None)
        self._live_runs.drop(run)

    def collect(self) -> Iterable[Metric]:
        """The metrics of the runs as they were last read."""
        held = GaugeMetricFamily("bots_runs_held", "Runs whose state this process holds")
        held.add_metric((), len(self._live_runs))
        yield held
        # Scrapes are answered by a thread, while the next refresh may be at work.
        readings = dict(self._readings)
        for name, text, value in _GAUGES:
            family = GaugeMetricFamily(name, text, labels=("run",))
            for run, reading in readings.items():
                number = value(reading)
                if number is not None:
                    family.add_metric((run,), number)
            yield family
        closed = CounterMetricFamily(
            "bots_run_selections_closed",
            "Selections closed with evidence (committed) and without any (released)",
            labels=("run", "result"),
        )
        timed_out = CounterMetricFamily(
            "bots_run_leases_expired",
            "Selections that their lease's end closed, before all of their tasks were reported",
            labels=("run",),
        )
        for run, reading in readings.items():
            closed.add_metric((run, "committed"), reading.status.selections.committed)
            closed.add_metric((run, "released"), reading.status.selections.released)
            timed_out.add_metric((run,), reading.timed_out)
        rewound = CounterMetricFamily(
            "bots_run_rewound",
            "Times that it was noticed that Redis had lost events of the run",
            labels=("run",),
        )
        for run, reading in readings.items():
            rewound.add_metric((run,), reading.rewinds)
        yield closed
        yield rewound
        yield timed_out
        for name, text, by_domain in _DOMAIN_GAUGES:
            family = GaugeMetricFamily(name, text, labels=("run", "domain"))
            for run, reading in readings.items():
                for domain, number in by_domain(reading.status).items():
                    if number is not None:
                        family.add_metric((run, domain), number)
            yield family
        yield from _of_references(readings)
        yield from _of_posteriors(readings)


def _of_references(readings: Mapping[str, Reading]) -> Iterable[Metric]:
    """What references count in those runs that learn it."""
    labels = ("run", "reference")
    weight = GaugeMetricFamily("bots_run_reference_weight", "What a reference counts", labels=labels)
    sd = GaugeMetricFamily(
        "bots_run_reference_weight_sd", "Standard deviation of what a reference counts", labels=labels
    )
    for run, reading in readings.items():
        for name, learned in reading.status.references.items():
            weight.add_metric((run, name), learned.weight)
            sd.add_metric((run, name), learned.sd)
    return weight, sd


def _of_posteriors(readings: Mapping[str, Reading]) -> Iterable[Metric]:
    """What the posteriors show of themselves; a gauge has the runs of those kinds that know it."""
    families: dict[str, GaugeMetricFamily] = {}
    for run, reading in readings.items():
        for gauge in reading.gauges:
            labels = ("run", "domain") if isinstance(gauge.values, Mapping) else ("run",)
            family = families.setdefault(
                gauge.name, GaugeMetricFamily(f"bots_run_{gauge.name}", gauge.text, labels=labels)
            )
            if isinstance(gauge.values, Mapping):
                for code, domain in enumerate(reading.domains):
                    if code in gauge.values:
                        family.add_metric((run, domain), gauge.values[code])
            else:
                family.add_metric((run,), gauge.values)
    return families.values()


def _never_selected_ratio(reading: Reading) -> float | None:
    status = reading.status
    return status.never_selected / status.tasks if status.tasks else None


def _evidence_seconds(reading: Reading) -> float | None:
    return None if reading.evidence_at is None else reading.evidence_at / 1000


_GAUGES: tuple[tuple[str, str, Callable[[Reading], float | None]], ...] = (
    ("bots_run_step", "Commits of the run", lambda reading: reading.status.step),
    ("bots_run_tasks", "Tasks of the run", lambda reading: reading.status.tasks),
    (
        "bots_run_never_selected_ratio",
        "Share of the run's tasks that were never selected",
        _never_selected_ratio,
    ),
    (
        "bots_run_open_leases",
        "Selections that are leased now",
        lambda reading: reading.status.selections.open,
    ),
    (
        "bots_run_effective_task_ratio",
        "Share of the groups reported in the last 20 commits whose rewards were not all equal",
        lambda reading: reading.status.etr.recent,
    ),
    (
        "bots_run_cooling_tasks",
        "Tasks that are left out of selections because they were dropped; the posteriors tell which",
        lambda reading: reading.cooling,
    ),
    (
        "bots_run_staleness",
        "Policy versions by which the outcomes of the last 20 commits were behind the newest, on average",
        lambda reading: reading.status.staleness.mean if reading.status.staleness else None,
    ),
    (
        "bots_run_last_commit_timestamp_seconds",
        "Unix time of the last commit, of the run's creation before there is one, by the clock of Redis",
        _evidence_seconds,
    ),
    ("bots_run_log_events", "Events in the run's log", lambda reading: reading.log_events),
    (
        "bots_run_events_since_snapshot",
        "Events behind the newest snapshot, which a new process would have to fold",
        lambda reading: reading.since_snapshot,
    ),
    (
        "bots_run_read_timestamp_seconds",
        "Unix time at which this process last read what it shows of the run",
        lambda reading: reading.at,
    ),
)
_DOMAIN_GAUGES: tuple[tuple[str, str, Callable[[RunStatus], Mapping[str, float | None]]], ...] = (
    (
        "bots_run_domain_effective_task_ratio",
        "Effective task ratio of the last 20 commits, by domain",
        lambda status: status.etr.by_domain,
    ),
    (
        "bots_run_capability",
        "Capability of the model, by domain: μ of a bots posterior, the level of a rasch one",
        lambda status: status.capability,
    ),
)
