"""Runs: create, look at, change, delete."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import JSONResponse

from selector_api.core.fields import Name, to_dict
from selector_api.core.state import RunState
from selector_api.core.status import RunStatus
from selector_api.store.refusals import UnknownPool, UnknownReference, UnknownTask
from selector_api.web import problems
from selector_api.web.app_state import App, AppState, RunName
from selector_api.web.auth import CalledBy
from selector_api.web.calls import Call
from selector_api.web.etags import NOT_MODIFIED, unless_known
from selector_api.web.json_body import StrictJsonRoute
from selector_api.web.pages import Limit, NameCursor, page_of_names
from selector_api.web.problems import Problem, documented
from selector_api.web.schemas.runs import (
    ChangeRequest,
    ExcludedView,
    RunItemView,
    RunRequest,
    RunsView,
    TasksRequest,
)
from selector_api.web.unknown_tasks import of_unknown_task

router = APIRouter(route_class=StrictJsonRoute, tags=["runs"])


@router.put(
    "/runs/{run}",
    response_model=RunStatus,
    responses={201: {"model": RunStatus, "description": "The run is new"}}
    | documented(
        *problems.ANY_CALL,
        *problems.JSON_BODY,
        problems.UNKNOWN_POOL,
        problems.UNKNOWN_RUN,
        problems.RUN_CONFLICT,
        problems.UNKNOWN_DOMAIN,
        problems.UNKNOWN_REFERENCE,
    ),
)
@Call("admin")
async def create_run(run: RunName, body: RunRequest, app: App, caller: CalledBy) -> Response:
    """Create a run over a pool, or find that it is there with the same configuration.

    `implicit` beside the posterior, as up to release 0.2, is taken for the posterior's.

    With `fork` the run begins with the evidence of another one of the same pool, taken in anew under its own
    configuration; what was open there, its keys and its reports are unknown to it.

    A run that was changed by PATCH is also the same as it was made; then `warnings` tell what is otherwise.
    """
    caller.check_pool(body.pool)
    try:
        if body.fork is None:
            created = await app.store.runs.create(run, body)
        else:
            caller.check_run(body.fork.run)
            created = await app.store.forks.create(run, body, body.fork)
    except UnknownReference as error:
        place = _place_of(error.name, to_dict(body.posterior))
        raise Problem.of(error, f"posterior{place}") from error
    others = [] if created else await app.store.runs.differences(run, body)
    warnings = [f"{each}: it was changed by PATCH" for each in others]
    return await _current(app, run, 201 if created else 200, warnings)


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
    responses=NOT_MODIFIED | documented(*problems.ANY_CALL, problems.UNKNOWN_RUN),
)
@Call("read")
async def get_run(run: RunName, app: App, request: Request) -> Response:
    """A run's configuration and where it stands."""

    def status(state: RunState) -> bytes:
        return json.dumps(RunStatus.of(run, state).to_dict()).encode()

    return await unless_known(request, await app.store.live_runs.of(run), status)


async def _current(app: AppState, run: str, status: int = 200, warnings: Sequence[str] = ()) -> Response:
    live_run = await app.store.live_runs.of(run)
    current = (await live_run.read(lambda state: RunStatus.of(run, state))).to_dict()
    return JSONResponse({**current, "warnings": [*current["warnings"], *warnings]}, status)


@router.get("/runs", responses=documented(*problems.ANY_CALL, problems.UNKNOWN_POOL))
@Call("read", names_run_in_body=True)
async def list_runs(
    app: App,
    caller: CalledBy,
    pool: Annotated[Name | None, Query(description="Only those that draw from this pool")] = None,
    cursor: NameCursor = "",
    limit: Limit = 100,
) -> RunsView:
    """The runs there are, by name; with a token that is for some alone, those."""
    if pool is None:
        names, next_ = await page_of_names(app.store.names.runs, caller.may_use_run, cursor, limit)
    else:
        caller.check_pool(pool)
        if await app.store.pools.counts(pool) is None:
            raise UnknownPool(pool)
        drawing = filter(caller.may_use_run, await app.store.pools.registered(pool))
        names = sorted(name for name in drawing if name > cursor)[:limit]
        next_ = names[-1] if len(names) == limit else None
    glances = await asyncio.gather(*map(app.store.runs.glance, names))
    return RunsView(
        runs=[
            RunItemView(
                run=name,
                pool=glance.run.pool,
                posterior=glance.run.config.posterior.type,
                policy=glance.run.config.policy.type,
                step=glance.step,
                tasks=glance.run.tasks,
                open=glance.open,
                last_commit_at=glance.last_commit_at,
            )
            for name, glance in zip(names, glances, strict=True)
            if glance is not None and pool in (None, glance.run.pool)
        ],
        next=next_,
    )


@router.patch(
    "/runs/{run}",
    response_model=RunStatus,
    responses=documented(
        *problems.ANY_CALL,
        *problems.JSON_BODY,
        problems.UNKNOWN_RUN,
        problems.RUN_CONFLICT,
        problems.UNKNOWN_DOMAIN,
        problems.UNKNOWN_REFERENCE,
    ),
)
@Call("admin")
async def change_run(run: RunName, body: ChangeRequest, app: App) -> Response:
    """Let a run go on with another policy, lease, sharing or commit. What was learned stays.

    A target that moves counts its steps from here. Posterior, pool, seed and rewards cannot change: fork the run.
    """
    await app.store.changes.configure(run, body)
    return await _current(app, run)


@router.post(
    "/runs/{run}/exclude",
    responses=documented(
        *problems.ANY_CALL, *problems.JSON_BODY, problems.UNKNOWN_RUN, problems.UNKNOWN_TASK
    ),
)
@Call("train", body_limit=lambda settings: settings.max_report_body_bytes)
async def exclude_tasks(run: RunName, body: TasksRequest, app: App) -> ExcludedView:
    """Let this run draw these tasks no more. What is known of them stays; all are known or nothing changes."""
    return await _exclude(app, run, body, "excluded")


@router.post(
    "/runs/{run}/include",
    responses=documented(
        *problems.ANY_CALL, *problems.JSON_BODY, problems.UNKNOWN_RUN, problems.UNKNOWN_TASK
    ),
)
@Call("train", body_limit=lambda settings: settings.max_report_body_bytes)
async def include_tasks(run: RunName, body: TasksRequest, app: App) -> ExcludedView:
    """Let this run draw excluded tasks again, as far as its pool has not retired them."""
    return await _exclude(app, run, body, "included")


async def _exclude(app: AppState, run: str, body: TasksRequest, kind: str) -> ExcludedView:
    try:
        done = await app.store.changes.exclude(run, body.tasks, kind)
    except UnknownTask as error:
        raise of_unknown_task(error, f"tasks[{body.tasks.index(error.name)}]") from error
    return ExcludedView(changed=done.changed, excluded=done.excluded)


@router.delete("/runs/{run}", status_code=204, responses=documented(*problems.ANY_CALL, problems.UNKNOWN_RUN))
@Call("admin")
async def delete_run(run: RunName, app: App) -> None:
    """Delete a run and its log."""
    await app.store.runs.delete(run)
