"""Prometheus metrics of one process. Those of runs are in `run_metrics`."""

from __future__ import annotations

from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from selector_api.store.timings import Timings

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one application; each application has its own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "bots_requests",
            "Requests answered, by route, method and status",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "bots_request_seconds",
            "Time from request to answer, by route",
            ("route", "method"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._timings = Histogram(
            "bots_phase_seconds",
            "Time that a select or report spent folding events, drawing tasks, in Redis, and waiting for its turn",
            ("route", "phase"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.selected = Counter("bots_tasks_selected", "Tasks handed out", registry=self.registry)
        self.outcomes = Counter(
            "bots_outcomes", "Outcomes received, by what became of them", ("result",), registry=self.registry
        )
        self.unsolicited = Counter(
            "bots_unsolicited_reports",
            "Reports of tasks that trainers chose themselves, as they do while the service is away",
            registry=self.registry,
        )
        for result in ("accepted", "duplicate", "differing", "dropped"):
            self.outcomes.labels(result)
        Info("bots_build", "Which release this is", registry=self.registry).info(
            {"version": version("bots-selector")}
        )
        ProcessCollector(registry=self.registry)

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def observe_timings(self, route: str, timings: Timings) -> None:
        """Tell where the time of a training step's call went."""
        for timing, seconds in timings.items():
            self._timings.labels(route, timing).observe(seconds)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
