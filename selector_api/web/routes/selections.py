"""The two calls of a training step."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from selector_api.store.errors import TaskNotInSelection, UnknownTask
from selector_api.web import problems
from selector_api.web.app_state import App
from selector_api.web.auth import CalledBy
from selector_api.web.calls import Call
from selector_api.web.json_body import StrictJsonRoute
from selector_api.web.problems import Problem, documented
from selector_api.web.schemas.common import moment, rfc3339
from selector_api.web.schemas.selections import (
    ReceiptView,
    ReportRequest,
    SelectionView,
    SelectRequest,
)

router = APIRouter(route_class=StrictJsonRoute, tags=["training"])


@router.post(
    "/select",
    response_model=SelectionView,
    responses=documented(
        *problems.ANY_CALL,
        *problems.JSON_BODY,
        problems.UNKNOWN_RUN,
        problems.KEY_CONFLICT,
        problems.NOT_EXPLAINED,
        problems.BATCH_TOO_LARGE,
    ),
)
@Call("train", names_run_in_body=True, is_timed=True)
async def select(body: SelectRequest, app: App, caller: CalledBy) -> Response:
    """Draw a batch of tasks and lease it. The same `key` again answers with the same selection."""
    caller.check_run(body.run)
    live_run = await app.live_runs.of(body.run)
    event, replayed = await live_run.select(body.batch_size, body.key, body.explain)
    if not replayed:
        app.metrics.selected.inc(len(event["tasks"]))
    answer: dict[str, Any] = {
        "selection": event["selection"],
        "run": body.run,
        "step": event["step"],
        "tasks": event["tasks"],
        "expires_at": rfc3339(moment(event["expires_at"])),
        "replayed": replayed,
    }
    if body.explain:
        # Selections of 0.2 were explained without the first two.
        answer["explain"] = [{"mean": None, "sd": None, **row} for row in event["explain"]]
    return JSONResponse(answer)


@router.post(
    "/report",
    responses=documented(
        *problems.ANY_CALL,
        *problems.JSON_BODY,
        problems.UNKNOWN_RUN,
        problems.UNKNOWN_SELECTION,
        problems.TASK_NOT_IN_SELECTION,
    ),
)
@Call(
    "train",
    body_limit=lambda settings: settings.max_report_body_bytes,
    names_run_in_body=True,
    is_timed=True,
)
async def report(body: ReportRequest, app: App, caller: CalledBy) -> ReceiptView:
    """Report outcomes. Each counts once, however often it is sent; a report is taken whole or not at all."""
    caller.check_run(body.run)
    await app.live_runs.of(body.run)  # so that /metrics shows a run that is only reported to here
    try:
        if body.selection is not None:
            receipt = await app.logs.report(body.run, body.selection, body.outcomes, final=body.final)
        else:
            assert body.key is not None
            receipt = await app.logs.report_unsolicited(body.run, body.key, body.outcomes)
            if receipt.accepted:  # else it was sent again
                app.metrics.unsolicited.inc()
    except (TaskNotInSelection, UnknownTask) as error:
        raise Problem.of(error, _place(body, error.name)) from error
    app.metrics.outcomes.labels("accepted").inc(receipt.accepted)
    app.metrics.outcomes.labels("duplicate").inc(receipt.duplicates)
    return ReceiptView(
        selection=body.selection,
        accepted=receipt.accepted,
        duplicates=receipt.duplicates,
        remaining=receipt.remaining,
        committed=receipt.committed,
        step=receipt.step,
    )


def _place(body: ReportRequest, task: str) -> str:
    position = next(number for number, outcome in enumerate(body.outcomes) if outcome.task == task)
    return f"outcomes[{position}].task"
