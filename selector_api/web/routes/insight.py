"""What the dashboard shows beside what trainers and commands ask for: a run's course in detail, a task's visits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response

from selector_api.core.fields import Id
from selector_api.core.insight import insight
from selector_api.core.state import RunState
from selector_api.core.times import rfc3339
from selector_api.web import posteriors, problems
from selector_api.web.app_state import App, RunName
from selector_api.web.calls import Call
from selector_api.web.etags import NOT_MODIFIED, unless_known
from selector_api.web.json_body import StrictJsonRoute
from selector_api.web.pages import Points
from selector_api.web.problems import documented
from selector_api.web.schemas.insight import CallCostView, CostView, InsightView, VisitsView

router = APIRouter(route_class=StrictJsonRoute, tags=["runs"])


@router.get(
    "/runs/{run}/insight",
    response_model=InsightView,
    responses=NOT_MODIFIED | documented(*problems.ANY_CALL, problems.UNKNOWN_RUN),
)
@Call("read")
async def get_insight(run: RunName, app: App, request: Request, points: Points = 200) -> Response:
    """What a run's figures say in words, and its course in all detail, in at most so many points.

    Its course is bounded, so of a long run it tells less of each commit.
    """

    def told(state: RunState) -> bytes:
        return json.dumps({"run": run, **insight(state, points)}).encode()

    return await unless_known(request, await app.store.live_runs.of(run), told)


@router.get(
    "/runs/{run}/visits",
    response_model=VisitsView,
    responses=NOT_MODIFIED | documented(*problems.ANY_CALL, problems.UNKNOWN_RUN, problems.UNKNOWN_TASK),
)
@Call("read")
async def get_visits(
    run: RunName, app: App, request: Request, task: Annotated[Id, Query(description="Which task")]
) -> Response:
    """What is known of one task, and each time that it was handed out or evaluated, as far as that is kept."""

    def visits(state: RunState) -> bytes:
        found = posteriors.chosen(state, posteriors.Wanted((task,)))
        kept = state.history.visits
        answer = {
            "step": state.step,
            "posterior": posteriors.rows(state, found)[0],
            "visits": [
                {**asdict(each), "at": None if each.at is None else rfc3339(each.at)}
                for each in kept.of_task(int(found[0]))
            ],
            "since": kept.since,
        }
        return json.dumps(answer).encode()

    return await unless_known(request, await app.store.live_runs.of(run), visits)


@router.get("/runs/{run}/cost", responses=documented(*problems.ANY_CALL, problems.UNKNOWN_RUN))
@Call("read")
async def get_cost(run: RunName, app: App) -> CostView:
    """How long the last calls of this run's training steps took, in the process that answers."""
    await app.store.runs.find(run)
    return CostView(
        run=run,
        select=_call_cost(app.costs.of(run, "select")),
        report=_call_cost(app.costs.of(run, "report")),
    )


def _call_cost(seconds: Sequence[float]) -> CallCostView | None:
    if not seconds:
        return None
    p50, p95 = (round(1e3 * each, 3) for each in np.quantile(seconds, [0.5, 0.95]).tolist())
    return CallCostView(calls=len(seconds), p50_ms=p50, p95_ms=p95)
