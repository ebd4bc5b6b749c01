"""What is asked of a process itself: probes, metrics, and the document of the API."""

from __future__ import annotations

from typing import Literal

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from selector_api.web import metrics, problems
from selector_api.web.app_state import App
from selector_api.web.calls import Call, CallRoute
from selector_api.web.problems import Problem, documented
from selector_api.web.schemas.common import Answer, example

router = APIRouter(route_class=CallRoute, tags=["operations"])

_PAGE = ["GET", "HEAD"]


class Health(Answer):
    """A probe's answer."""

    model_config = example(status="ok")

    status: Literal["ok"] = "ok"


@router.get("/healthz", responses=documented(problems.INTERNAL_ERROR))
@Call(None, is_probe=True)
async def healthz() -> Health:
    """Whether the process lives. Never touches Redis: restarting the service would not mend Redis."""
    return Health()


@router.get(
    "/readyz",
    responses=documented(problems.INTERNAL_ERROR, problems.STORE_UNAVAILABLE, problems.SHUTTING_DOWN),
)
@Call(None, is_probe=True)
async def readyz(app: App) -> Health:
    """Whether the service can serve and is not about to end: Redis answers, and is no Redis replica."""
    if app.drain.has_begun:
        raise Problem(problems.SHUTTING_DOWN, "use another replica")
    await app.store.redis.check_primary()
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
)
@Call("read")
async def get_metrics(app: App) -> Response:
    """Metrics of this process, and of the runs that it served last."""
    await app.run_metrics.refresh()
    exposition = await anyio.to_thread.run_sync(app.metrics.exposition)
    return Response(exposition, media_type=metrics.CONTENT_TYPE)


@router.api_route("/openapi.json", methods=_PAGE, include_in_schema=False)
@Call(None)
async def get_document(request: Request) -> JSONResponse:
    """The OpenAPI document."""
    return JSONResponse(request.app.openapi())
