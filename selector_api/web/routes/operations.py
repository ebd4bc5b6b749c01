"""The service itself: probes and metrics."""

from __future__ import annotations

from typing import Literal

import anyio.to_thread
from fastapi import APIRouter, Response

from selector_api.web import metrics, problems
from selector_api.web.app_state import Use
from selector_api.web.auth import TOKEN
from selector_api.web.problems import Problem, documented
from selector_api.web.schemas.common import Answer, example

router = APIRouter(tags=["service"])


class Health(Answer):
    """A probe's answer."""

    model_config = example(status="ok")

    status: Literal["ok"] = "ok"


@router.get("/healthz", responses=documented(problems.INTERNAL_ERROR))
async def healthz() -> Health:
    """Whether the process lives. Never touches Redis: restarting the service would not mend Redis."""
    return Health()


@router.get(
    "/readyz",
    responses=documented(problems.INTERNAL_ERROR, problems.STORE_UNAVAILABLE, problems.SHUTTING_DOWN),
)
async def readyz(app: Use) -> Health:
    """Whether the service can serve and is not about to end: Redis answers."""
    if app.drain.has_begun:
        raise Problem(problems.SHUTTING_DOWN, "use another replica")
    await app.store.redis.ping()
    return Health()


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "content": {"text/plain": {"schema": {"type": "string"}}},
            "description": "Prometheus' text format",
        }
    }
    | documented(*problems.ANY_CALL),
    dependencies=[TOKEN],
)
async def get_metrics(app: Use) -> Response:
    """Metrics of this process, and of the runs that it served last."""
    await app.run_metrics.refresh()
    exposition = await anyio.to_thread.run_sync(app.metrics.exposition)
    return Response(exposition, media_type=metrics.CONTENT_TYPE)
