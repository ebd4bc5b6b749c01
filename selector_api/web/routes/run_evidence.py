"""What a run knows and how it came to know it: posteriors, log, selections, course."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from selector_api.core.fields import Id
from selector_api.core.state import RunState
from selector_api.store.codec import numbered_line
from selector_api.store.log_parts import END, Bookmark, Stretch
from selector_api.store.refusals import UnknownRun
from selector_api.store.runs import Run
from selector_api.web import posteriors, problems
from selector_api.web.app_state import App, AppState, RunName
from selector_api.web.calls import Call
from selector_api.web.etags import NOT_MODIFIED, is_known, unless_known
from selector_api.web.files import accepted, parquet_answer
from selector_api.web.json_body import StrictJsonRoute
from selector_api.web.pages import MAX_TASKS_A_PAGE, Limit, PlaceCursor, Points, TaskLimit
from selector_api.web.problems import documented
from selector_api.web.schemas.run_evidence import (
    HistoryView,
    PosteriorsView,
    SelectionItemView,
    SelectionsView,
)
from selector_api.web.task_bodies import NDJSON, PARQUET

router = APIRouter(route_class=StrictJsonRoute, tags=["runs"])

Sort = Literal[
    "mean",
    "-mean",
    "sd",
    "-sd",
    "last_step",
    "-last_step",
    "selected",
    "-selected",
    "dropped",
    "-dropped",
    "streak",
    "-streak",
]
_MAX_NAMED = 100
"""Tasks that one call can name: an address has room for 64 KiB."""


@router.get(
    "/runs/{run}/posteriors",
    response_model=PosteriorsView,
    responses={200: {"content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}}
    | NOT_MODIFIED
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
    domain: Annotated[Id | None, Query(description="Only tasks of this domain")] = None,
    search: Annotated[Id | None, Query(description="Only tasks whose id has this text somewhere")] = None,
    sort: Annotated[
        Sort | None,
        Query(description="By this field, with a minus descending; by last_step: reported longest ago first"),
    ] = None,
    cursor: PlaceCursor = "0",
    limit: TaskLimit = MAX_TASKS_A_PAGE,
) -> Response:
    """What is known of every task of the pool, by pages as JSON or whole as Parquet."""
    live_run = await app.store.live_runs.of(run)
    wanted = posteriors.Wanted(tuple(task), domain, sort, search)
    if accepted(request.headers.get("accept", "*/*")) == PARQUET:
        state = await live_run.copy()  # so that no selection waits until the file is written
        return await parquet_answer(posteriors.all_rows(state, wanted))
    if search is not None:
        table = await live_run.glance(lambda state: None if is_known(request, live_run) else state.table)
        if table is not None:
            wanted = await anyio.to_thread.run_sync(wanted.searched, table)
    return await unless_known(
        request, live_run, lambda state: posteriors.page(state, wanted, int(cursor), limit)
    )


@router.get(
    "/runs/{run}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}, "description": "One event a line"}}
    | documented(*problems.ANY_CALL, problems.UNKNOWN_RUN, problems.EVENTS_DROPPED),
)
@Call("read")
async def get_events(
    run: RunName,
    app: App,
    after: Annotated[int, Query(ge=0, le=2**53, description="The last `seq` that is known")] = 0,
    limit: Annotated[int | None, Query(ge=1, le=2**53, description="Events at the most")] = None,
) -> StreamingResponse:
    """The run's log: folding it gives the run's state."""
    run_read = await app.store.runs.find(run)
    # The first stretch is read here, so that a failure is still a problem and not a broken stream.
    first = await _stretch(app, run_read, Bookmark(after))

    async def lines() -> AsyncIterator[bytes]:
        place, stretch = Bookmark(after), first
        left = limit
        while stretch.events:
            part = stretch.events[:left]
            yield b"".join(numbered_line(event, seq) for seq, event in enumerate(part, place.seq + 1))
            if left is not None and (left := left - len(part)) == 0:
                return
            place = place.after(stretch.events)
            stretch = await _stretch(app, run_read, place)

    return StreamingResponse(lines(), media_type=NDJSON)


async def _stretch(app: AppState, run: Run, after: Bookmark) -> Stretch:
    """A stretch of this run's log: raises UnknownRun if the run was deleted or another has taken its name."""
    stretch = await app.store.logs.read(run, after)
    if stretch is None:
        raise UnknownRun(run.name)
    return stretch


@router.get(
    "/runs/{run}/selections",
    responses=documented(*problems.ANY_CALL, problems.UNKNOWN_RUN),
)
@Call("read")
async def get_selections(
    run: RunName,
    app: App,
    status: Annotated[
        Literal["open", "committed", "released"] | None, Query(description="Only those in this state")
    ] = None,
    cursor: PlaceCursor = "0",
    limit: Limit = 100,
) -> SelectionsView:
    """The run's selections in the order in which they were made, with their tasks and the end of their leases.

    Those of the run that this one is a fork of are not among them.
    """
    run_read = await app.store.runs.find(run)
    await _stretch(app, run_read, END)  # which closes what is due
    found, more = await app.store.selections.page(run, status, int(cursor), limit)
    return SelectionsView(
        selections=[
            SelectionItemView(
                selection=each.id,
                status=each.status,
                key=each.event.get("key"),
                step=each.event["step"],
                tasks=each.event["tasks"],
                reported=each.reported,
                expires_at=each.expires_at,
            )
            for each in found
        ],
        next=str(found[-1].seq) if more else None,
    )


@router.get(
    "/runs/{run}/history",
    response_model=HistoryView,
    responses=NOT_MODIFIED | documented(*problems.ANY_CALL, problems.UNKNOWN_RUN),
)
@Call("read")
async def get_history(run: RunName, app: App, request: Request, points: Points = 200) -> Response:
    """The course of a run from its first commit to its last, in at most so many points."""

    def course(state: RunState) -> bytes:
        now = {"step": state.step, "tasks": state.difficulties().tolist()}
        earlier = [each for each in state.course.histograms() if each["step"] < state.step]
        answer = {
            "run": run,
            "step": state.step,
            "points": state.course.points(points, state.table.domains),
            "difficulty": [*earlier, now],
        }
        return json.dumps(answer).encode()

    return await unless_known(request, await app.store.live_runs.of(run), course)
