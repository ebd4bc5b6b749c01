"""What the routes work with: one object an application."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Path, Request

from selector_api.core.fields import Name
from selector_api.store.store import Store
from selector_api.web.costs import Costs
from selector_api.web.drain import Drain
from selector_api.web.metrics import Metrics
from selector_api.web.run_metrics import RunMetrics


@dataclass(frozen=True)
class AppState:
    """The parts of a running service."""

    store: Store
    metrics: Metrics
    run_metrics: RunMetrics
    drain: Drain
    costs: Costs = field(default_factory=Costs)
    import_limiter: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    """One body of tasks is read at a time: each takes a core, and memory that is many times its size."""
    body_limiter: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    """The same for large reports, which do not wait for tasks."""

    @classmethod
    def of(cls, request: Request) -> AppState:
        """Those of the service that serves a request."""
        return request.app.state.app


async def _app(request: Request) -> AppState:  # async: a plain one would be called in a thread
    return AppState.of(request)


App = Annotated[AppState, Depends(_app)]
PoolName = Annotated[Name, Path(description="The pool's name")]
RunName = Annotated[Name, Path(description="The run's name")]
