"""Runs: create, look at, export, delete."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, JSONResponse, StreamingResponse

from selector_api.core.fields import to_dict
from selector_api.core.status import RunStatus
from selector_api.store.codec import numbered_line
from selector_api.store.errors import UnknownReference, UnknownRun
from selector_api.store.log import Bookmark, Stretch
from selector_api.store.runs import Run
from selector_api.web import posteriors, problems
from selector_api.web.app_state import App, AppState, RunName
from selector_api.web.auth import CalledBy
from selector_api.web.calls import Call
from selector_api.web.json_body import StrictJsonRoute
from selector_api.web.problems import Problem, documented
from selector_api.web.schemas.common import Id
from selector_api.web.schemas.runs import PosteriorsView, RunRequest
from selector_api.web.task_bodies import JSON, NDJSON, PARQUET

router = APIRouter(route_class=StrictJsonRoute, tags=["runs"])


_MAX_NAMED = 100
"""Tasks that one call can name: an address has room for 64 KiB."""


@router.put(
    "/runs/{run}",
    response_model=RunStatus,
    responses={201: {"model": RunStatus, "description": "The run is new"}}
    | documented(
        *problems.ANY_CALL,
        *problems.JSON_BODY,
        problems.UNKNOWN_POOL,
        problems.RUN_CONFLICT,
        problems.UNKNOWN_DOMAIN,
        problems.UNKNOWN_REFERENCE,
    ),
)
@Call("admin")
async def create_run(run: RunName, body: RunRequest, app: App, caller: CalledBy) -> Response:
    """Create a run over a pool, or find that it is there with the same configuration.

    `implicit` beside the posterior, as up to release 0.2, is taken for the posterior's.
    """
    caller.check_pool(body.pool)
    try:
        created = await app.runs.create(run, body)
    except UnknownReference as error:
        place = _place_of(error.name, to_dict(body.posterior))
        raise Problem.of(error, f"posterior{place}") from error
    return await _current(app, run, 201 if created else 200)


def _place_of(reference: str, fields: Mapping[str, Any]) -> str:
    """Where in a configuration this reference is named, as in `.implicit.weak`; "" if nowhere."""
    for name, value in fields.items():
        if name == "type":
            continue
        if value == reference:
            return f".{name}"
        if isinstance(value, list) and reference in value:
            return f".{name}[{value.index(reference)}]"
        if isinstance(value, Mapping) and (place := _place_of(reference, value)):
            return f".{name}{place}"
    return ""


@router.get(
    "/runs/{run}",
    response_model=RunStatus,
    responses=documented(*problems.ANY_CALL, problems.UNKNOWN_RUN),
)
@Call("read")
async def get_run(run: RunName, app: App) -> Response:
    """A run's configuration and where it stands."""
    return await _current(app, run)


async def _current(app: AppState, run: str, status: int = 200) -> Response:
    live_run = await app.live_runs.of(run)
    current = await live_run.read(lambda state: RunStatus.of(run, state))
    return JSONResponse(current.to_dict(), status)


@router.get(
    "/runs/{run}/posteriors",
    response_model=PosteriorsView,
    responses={200: {"content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}}
    | documented(*problems.ANY_CALL, problems.UNKNOWN_RUN, problems.UNKNOWN_TASK, problems.NOT_ACCEPTABLE),
)
@Call("read")
async def get_posteriors(
    run: RunName,
    app: App,
    request: Request,
    task: Annotated[
        list[Id], Query(default_factory=list, max_length=_MAX_NAMED, description="Only these tasks")
    ],
    cursor: Annotated[str, Query(pattern=r"^[0-9]{1,18}$", description="`next` of the page before")] = "0",
) -> Response:
    """What is known of every task of the pool, by pages as JSON or whole as Parquet."""
    live_run = await app.live_runs.of(run)
    if _accepted(request.headers.get("accept", "*/*")) == PARQUET:
        state = await live_run.copy()  # so that no selection waits until the file is written
        folder = tempfile.TemporaryDirectory(prefix="bots-")
        path = Path(folder.name, "posteriors.parquet")
        try:
            await anyio.to_thread.run_sync(posteriors.write_parquet, state, path, task or None)
        except BaseException:
            folder.cleanup()
            raise
        return FileResponse(path, media_type=PARQUET, background=BackgroundTask(folder.cleanup))
    body = await live_run.read(lambda state: posteriors.page(state, int(cursor), task or None))
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
    | documented(*problems.ANY_CALL, problems.UNKNOWN_RUN),
)
@Call("read")
async def get_events(
    run: RunName,
    app: App,
    after: Annotated[int, Query(ge=0, le=2**53, description="The last `seq` that is known")] = 0,
) -> StreamingResponse:
    """The run's log: folding it gives the run's state."""
    run_read = await app.runs.find(run)
    # The first stretch is read here, so that a failure is still a problem and not a broken stream.
    first = await _stretch(app, run_read, Bookmark(after))

    async def lines() -> AsyncIterator[bytes]:
        place, stretch = Bookmark(after), first
        while stretch.events:
            yield b"".join(
                numbered_line(event, seq) for seq, event in enumerate(stretch.events, place.seq + 1)
            )
            place = place.after(stretch.events)
            stretch = await _stretch(app, run_read, place)

    return StreamingResponse(lines(), media_type=NDJSON)


async def _stretch(app: AppState, run: Run, after: Bookmark) -> Stretch:
    """A stretch of this run's log: raises UnknownRun if the run was deleted or another has taken its name."""
    stretch = await app.logs.read(run, after)
    if stretch is None:
        raise UnknownRun(run.name)
    return stretch


@router.delete("/runs/{run}", status_code=204, responses=documented(*problems.ANY_CALL, problems.UNKNOWN_RUN))
@Call("admin")
async def delete_run(run: RunName, app: App) -> None:
    """Delete a run and its log."""
    await app.runs.delete(run)
