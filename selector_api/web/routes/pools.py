"""Pools: create, fill, look at, delete."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from selector_api.store.errors import TaskConflict
from selector_api.web import problems
from selector_api.web.app_state import App, AppState, PoolName
from selector_api.web.calls import Call
from selector_api.web.json_body import StrictJsonRoute
from selector_api.web.problems import Problem, documented
from selector_api.web.schemas.pools import PoolRequest, PoolView, TasksReceipt
from selector_api.web.task_bodies import JSON, NDJSON, PARQUET, read_tasks
from selector_api.web.task_limits import MAX_TASKS

router = APIRouter(route_class=StrictJsonRoute, tags=["pools"])

_TASK_SCHEMA = {"$ref": "#/components/schemas/TaskItem"}
_TASKS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"type": "array", "items": _TASK_SCHEMA, "minItems": 1, "maxItems": MAX_TASKS}},
            NDJSON: {"schema": {"type": "string", "description": "One task a line"}},
            PARQUET: {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": "Columns id, domain, references (struct or map)",
                }
            },
        },
    }
}


async def _view(app: AppState, pool: str) -> PoolView:
    table = await app.pools.table(pool)
    return PoolView(
        pool=pool, tasks=len(table), domains=table.domain_counts(), references=list(table.reference_names)
    )


@router.put(
    "/pools/{pool}",
    responses={201: {"model": PoolView, "description": "The pool is new"}}
    | documented(*problems.ANY_CALL, *problems.JSON_BODY),
)
@Call("admin")
async def create_pool(
    pool: PoolName, app: App, response: Response, body: PoolRequest | None = None
) -> PoolView:
    """Create a pool, or find that it is there."""
    if await app.pools.create(pool):
        response.status_code = 201
    return await _view(app, pool)


@router.get("/pools/{pool}", responses=documented(*problems.ANY_CALL, problems.UNKNOWN_POOL))
@Call("read")
async def get_pool(pool: PoolName, app: App) -> PoolView:
    """How many tasks a pool has, of which domains, measured with which references."""
    return await _view(app, pool)


@router.post(
    "/pools/{pool}/tasks",
    openapi_extra=_TASKS_BODY,
    responses=documented(
        *problems.ANY_CALL,
        *problems.JSON_BODY,
        problems.UNKNOWN_POOL,
        problems.TASK_CONFLICT,
        problems.INVALID_PARQUET,
    ),
)
@Call("admin", body_limit=lambda settings: settings.max_tasks_body_bytes)
async def add_tasks(pool: PoolName, app: App, request: Request) -> TasksReceipt:
    """Add tasks, at most 250,000: all of the body or, if any is wrong, none. Sending them again changes nothing."""
    content_type = request.headers.get("content-type", "")
    body = await request.body()
    rows = await anyio.to_thread.run_sync(read_tasks, content_type, body, limiter=app.import_limiter)
    try:
        added = await app.pools.add_tasks(pool, rows)
    except TaskConflict as error:
        raise Problem.of(error, f"task {rows.ids.index(error.task)} of the body") from error
    return TasksReceipt(inserted=added.inserted, unchanged=added.unchanged, tasks=added.tasks)


@router.delete(
    "/pools/{pool}",
    status_code=204,
    responses=documented(*problems.ANY_CALL, problems.UNKNOWN_POOL, problems.POOL_IN_USE),
)
@Call("admin")
async def delete_pool(pool: PoolName, app: App) -> None:
    """Delete a pool that no run draws from."""
    await app.pools.delete(pool)
