"""Runs: create, look at, export, delete."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, StreamingResponse

from selector_api.core.config import Interpolation, RunConfig
from selector_api.core.state import RunState
from selector_api.core.table import TaskTable
from selector_api.web import posteriors, problems
from selector_api.web.problems import Problem, documented
from selector_api.web.schemas.common import Id
from selector_api.web.schemas.runs import PosteriorsView, RunRequest, RunView
from selector_api.web.services import RunName, Services, Use
from selector_api.web.task_bodies import JSON, NDJSON, PARQUET

router = APIRouter(tags=["runs"])


def _view(run: str, state: RunState) -> RunView:
    return RunView.model_validate(
        {
            "run": run,
            "config": state.config.to_dict(),
            "step": state.step,
            "tasks": state.size,
            "selections": {
                "open": len(state.leased),
                "committed": state.committed,
                "expired": state.expired,
            },
            "capability": state.capability,
            "etr": {
                "last": state.effective_task_ratio(commits=1),
                "recent": state.effective_task_ratio(),
                "by_domain": state.effective_task_ratio_by_domain(),
            },
            "never_selected": state.size - state.history.ever_selected,
        }
    )


def _check_names(config: RunConfig, table: TaskTable) -> None:
    """A name that the pool does not know is most likely a slip of the pen."""
    for domain in config.policy.domains or {}:
        if domain not in table.domains:
            raise Problem(problems.UNKNOWN_DOMAIN, "policy.domains: a name is no domain of the pool's tasks")
    if isinstance(config.implicit, Interpolation):
        for role in ("weak", "strong"):
            if getattr(config.implicit, role) not in table.reference_names:
                raise Problem(
                    problems.UNKNOWN_REFERENCE, f"implicit.{role}: no task of the pool has a reference of this name"
                )


@router.put(
    "/runs/{run}",
    responses={201: {"model": RunView, "description": "The run is new"}}
    | documented(
        problems.UNKNOWN_POOL, problems.RUN_CONFLICT, problems.UNKNOWN_DOMAIN, problems.UNKNOWN_REFERENCE
    ),
)
async def create_run(run: RunName, body: RunRequest, services: Use, response: Response) -> RunView:
    """Create a run over a pool, or find that it is there with the same configuration."""
    config = body.config()
    _check_names(config, await services.pools.table(config.pool))
    if await services.runs.create(run, config):
        response.status_code = 201
    return await _current(services, run)


@router.get("/runs/{run}", responses=documented(problems.UNKNOWN_RUN))
async def get_run(run: RunName, services: Use) -> RunView:
    """A run's configuration and where it stands."""
    return await _current(services, run)


async def _current(services: Services, run: str) -> RunView:
    async with services.replicas.of(run).current() as state:
        return _view(run, state)


@router.get(
    "/runs/{run}/posteriors",
    response_model=PosteriorsView,
    responses={200: {"content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}}
    | documented(problems.UNKNOWN_RUN, problems.UNKNOWN_TASK, problems.NOT_ACCEPTABLE),
)
async def get_posteriors(
    run: RunName,
    services: Use,
    request: Request,
    task: Annotated[list[Id] | None, Query(max_length=posteriors.PAGE, description="Only these tasks")] = None,
    cursor: Annotated[
        str | None, Query(pattern=r"^[0-9]{1,18}$", description="`next` of the page before")
    ] = None,
) -> Response:
    """What is known of every task of the pool, by pages as JSON or whole as Parquet."""
    media_type = _accepted(request.headers.get("accept", "*/*"))
    async with services.replicas.of(run).current() as state:
        if task is None:
            first = int(cursor or 0)
            last = state.size if media_type == PARQUET else min(first + posteriors.PAGE, state.size)
            tasks = posteriors.span(first, last)
        else:
            last = state.size
            tasks = state.table.find(task)
            if ((tasks < 0) | (tasks >= state.size)).any():
                raise Problem(problems.UNKNOWN_TASK, "task: the run has no task of this id")
        columns = await anyio.to_thread.run_sync(posteriors.columns, state, tasks)
        step, more = state.step, last < state.size
    if media_type == PARQUET:
        handle, path = tempfile.mkstemp(suffix=".parquet")
        os.close(handle)
        await anyio.to_thread.run_sync(posteriors.write_parquet, columns, path)
        return FileResponse(path, media_type=PARQUET, background=BackgroundTask(os.unlink, path))
    body = await anyio.to_thread.run_sync(
        lambda: json.dumps(
            {"step": step, "posteriors": posteriors.rows(columns), "next": str(last) if more else None}
        )
    )
    return Response(body, media_type=JSON)


def _accepted(accept: str) -> str:
    """The first type of an Accept header that can be given."""
    for entry in accept.split(","):
        wanted = entry.partition(";")[0].strip().lower()
        if wanted == PARQUET:
            return PARQUET
        if wanted in (JSON, "application/*", "*/*", ""):
            return JSON
    raise Problem(problems.NOT_ACCEPTABLE, f"Accept: ask for {JSON} or {PARQUET}")


@router.get(
    "/runs/{run}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}, "description": "One event a line"}}
    | documented(problems.UNKNOWN_RUN),
)
async def get_events(
    run: RunName,
    services: Use,
    after: Annotated[int, Query(ge=0, le=2**53, description="The last `seq` that is known")] = 0,
) -> StreamingResponse:
    """The run's log: folding it gives the run's state."""
    pages = services.runs.events(run, after)
    # The first page is read here, so that an unknown run is a 404 and not a broken stream.
    first = await anext(pages, [])

    async def lines() -> AsyncIterator[bytes]:
        seq = after
        page = first
        while page:
            yield b"".join(_numbered(seq + number, event) for number, event in enumerate(page, 1))
            seq += len(page)
            page = await anext(pages, [])

    return StreamingResponse(lines(), media_type=NDJSON)


def _numbered(seq: int, event: bytes) -> bytes:
    """The event with its place in the log as the first field."""
    return b'{"seq":%d,%s\n' % (seq, event[1:])


@router.delete("/runs/{run}", status_code=204, responses=documented(problems.UNKNOWN_RUN))
async def delete_run(run: RunName, services: Use) -> None:
    """Delete a run and its log."""
    await services.runs.delete(run)
