"""What the routes work with: one object an application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from selector_api.store.pools import Pools
from selector_api.store.replicas import Replicas
from selector_api.store.runs import Runs
from selector_api.store.store import Store
from selector_api.web.metrics import Metrics
from selector_api.web.schemas.common import Id


@dataclass(frozen=True)
class Services:
    """The parts of a running service."""

    store: Store
    metrics: Metrics

    @property
    def pools(self) -> Pools:
        """The pools."""
        return self.store.pools

    @property
    def runs(self) -> Runs:
        """The runs."""
        return self.store.runs

    @property
    def replicas(self) -> Replicas:
        """This process's replicas of runs."""
        return self.store.replicas


def _services(request: Request) -> Services:
    return request.app.state.services


Use = Annotated[Services, Depends(_services)]
# A slash, even a quoted one, makes another address.
PoolName = Annotated[Id, Path(pattern="^[^/]+$", description="The pool's name")]
RunName = Annotated[Id, Path(pattern="^[^/]+$", description="The run's name")]
