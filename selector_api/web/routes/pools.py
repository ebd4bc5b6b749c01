"""Pools: create, fill, look at, delete."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Request, Response

from selector_api.core.task_rows import TaskRows
from selector_api.core.texts import Texts
from selector_api.store.refusals import TaskConflict, UnknownTask
from selector_api.web import problems, tables
from selector_api.web.app_state import App, AppState, PoolName
from selector_api.web.auth import CalledBy
from selector_api.web.calls import Call
from selector_api.web.files import accepted, parquet_answer
from selector_api.web.json_body import StrictJsonRoute
from selector_api.web.pages import Limit, NameCursor, PlaceCursor, TaskLimit, page_of_names
from selector_api.web.problems import Problem, documented
from selector_api.web.schemas.pools import (
    PoolItemView,
    PoolRequest,
    PoolsView,
    PoolView,
    RetiredView,
    TasksReceipt,
    TasksView,
)
from selector_api.web.schemas.runs import TasksRequest
from selector_api.web.task_bodies import JSON, NDJSON, PARQUET, read_tasks
from selector_api.web.task_limits import MAX_TASKS
from selector_api.web.unknown_tasks import of_unknown_task

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
    table = await app.store.pools.table(pool)
    return PoolView(
        pool=pool,
        tasks=len(table),
        domains=table.domain_counts(),
        references=list(table.reference_names),
        reference_counts=table.reference_counts(),
        retired=len(await app.store.retirements.retired(pool)),
    )


@router.get("/pools", responses=documented(*problems.ANY_CALL))
@Call("read", names_run_in_body=True)
async def list_pools(app: App, caller: CalledBy, cursor: NameCursor = "", limit: Limit = 100) -> PoolsView:
    """The pools there are, by name; with a token that is for some alone, those."""
    names, next_ = await page_of_names(app.store.names.pools, caller.may_use_pool, cursor, limit)
    counts = await asyncio.gather(*map(app.store.pools.counts, names))
    return PoolsView(
        pools=[
            PoolItemView(pool=name, tasks=count[0], runs=count[1])
            for name, count in zip(names, counts, strict=True)
            if count is not None
        ],
        next=next_,
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
    if await app.store.pools.create(pool):
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
        problems.REFERENCE_IN_USE,
        problems.INVALID_PARQUET,
    ),
)
@Call("admin", body_limit=lambda settings: settings.max_tasks_body_bytes)
async def add_tasks(pool: PoolName, app: App, request: Request) -> TasksReceipt:
    """Add tasks, at most 250,000: all of the body or, if any is wrong, none. Sending them again changes nothing.

    Of a task that is there, references that it has not are added.
    """
    content_type = request.headers.get("content-type", "")
    body = await request.body()
    rows = await anyio.to_thread.run_sync(read_tasks, content_type, body, limiter=app.import_limiter)
    try:
        added = await app.store.pools.add_tasks(pool, rows)
    except TaskConflict as error:
        place = await anyio.to_thread.run_sync(_place, rows, error)
        raise Problem.of(error, f"task {place} of the body") from error
    return TasksReceipt(
        inserted=added.inserted, unchanged=added.unchanged, extended=added.extended, tasks=added.tasks
    )


def _place(rows: TaskRows, error: TaskConflict) -> int:
    """The place of the row that contradicts; an earlier one of the body may be what it contradicts."""
    reference = error.field.removeprefix("references.")
    task = Texts.of([error.task])
    (places,) = np.nonzero(rows.ids.hashes() == task.hashes())
    return next(
        place
        for place in places.tolist()
        if rows.ids.at(np.array([place])) == [error.task]
        and error.sent
        == (rows.domain(place) if error.field == "domain" else rows.rates(place).get(reference))
    )


@router.get(
    "/pools/{pool}/tasks",
    response_model=TasksView,
    response_model_exclude_none=True,
    responses={200: {"content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}}
    | documented(*problems.ANY_CALL, problems.UNKNOWN_POOL, problems.NOT_ACCEPTABLE),
)
@Call("read")
async def get_tasks(
    pool: PoolName, app: App, request: Request, cursor: PlaceCursor = "0", limit: TaskLimit = 10_000
) -> Response:
    """A pool's tasks, by pages as JSON or whole as Parquet, which the pool takes as well."""
    table = await app.store.pools.table(pool)
    if accepted(request.headers.get("accept", "*/*")) == PARQUET:
        return await parquet_answer(tables.all_tasks(table))
    retired = await app.store.retirements.retired(pool)
    return Response(
        await anyio.to_thread.run_sync(tables.tasks_page, table, retired, int(cursor), limit), media_type=JSON
    )


@router.post(
    "/pools/{pool}/retire",
    responses=documented(
        *problems.ANY_CALL, *problems.JSON_BODY, problems.UNKNOWN_POOL, problems.UNKNOWN_TASK
    ),
)
@Call("admin", body_limit=lambda settings: settings.max_report_body_bytes)
async def retire_tasks(pool: PoolName, body: TasksRequest, app: App) -> RetiredView:
    """Let no run draw these tasks from now on. What is known of them stays; all are known or nothing changes."""
    return await _retire(app, pool, body, "excluded")


@router.post(
    "/pools/{pool}/restore",
    responses=documented(
        *problems.ANY_CALL, *problems.JSON_BODY, problems.UNKNOWN_POOL, problems.UNKNOWN_TASK
    ),
)
@Call("admin", body_limit=lambda settings: settings.max_report_body_bytes)
async def restore_tasks(pool: PoolName, body: TasksRequest, app: App) -> RetiredView:
    """Let runs draw retired tasks again, as far as they do not exclude them themselves."""
    return await _retire(app, pool, body, "included")


async def _retire(app: AppState, pool: str, body: TasksRequest, kind: str) -> RetiredView:
    try:
        done = await app.store.retirements.retire(pool, body.tasks, kind)
    except UnknownTask as error:
        raise of_unknown_task(error, f"tasks[{body.tasks.index(error.name)}]") from error
    return RetiredView(changed=done.changed, retired=done.retired)


@router.delete(
    "/pools/{pool}",
    status_code=204,
    responses=documented(*problems.ANY_CALL, problems.UNKNOWN_POOL, problems.POOL_IN_USE),
)
@Call("admin")
async def delete_pool(pool: PoolName, app: App) -> None:
    """Delete a pool that no run draws from."""
    await app.store.pools.delete(pool)
