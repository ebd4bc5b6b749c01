"""The two calls of a training step."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from fastapi import APIRouter

from selector_api.store.codec import Outcome
from selector_api.store.errors import TaskNotInSelection, UnknownTask
from selector_api.web import problems
from selector_api.web.app_state import App
from selector_api.web.auth import CalledBy
from selector_api.web.calls import Call
from selector_api.web.json_body import StrictJsonRoute
from selector_api.web.problems import Problem, documented
from selector_api.web.schemas.common import moment
from selector_api.web.schemas.selections import (
    Explanation,
    ReceiptView,
    ReportRequest,
    SelectionView,
    SelectRequest,
)

_FEW = 1_000
"""Outcomes that are converted at once; more would hold up all other calls."""

router = APIRouter(route_class=StrictJsonRoute, tags=["training"])


@router.post(
    "/select",
    response_model_exclude_unset=True,
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
async def select(body: SelectRequest, app: App, caller: CalledBy) -> SelectionView:
    """Draw a batch of tasks and lease it. The same `key` again answers with the same selection."""
    caller.check_run(body.run)
    live_run = await app.live_runs.of(body.run)
    selected = await live_run.select(body.batch_size, body.key, body.explain)
    if not selected.replayed:
        app.metrics.selected.inc(len(selected.tasks))
    answer: dict[str, Any] = {
        "selection": selected.selection,
        "run": body.run,
        "step": selected.step,
        "tasks": selected.tasks,
        "expires_at": moment(selected.expires_at),
        "replayed": selected.replayed,
    }
    if selected.explain is not None:
        answer["explain"] = [Explanation(**row) for row in selected.explain]
    return SelectionView(**answer)


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
    if len(body.outcomes) <= _FEW:
        outcomes = _outcomes(body)
    else:
        outcomes = await anyio.to_thread.run_sync(_outcomes, body)
    try:
        if body.selection is not None:
            receipt = await app.runs.report(body.run, body.selection, outcomes, final=body.final)
        else:
            assert body.key is not None
            receipt = await app.runs.report_unsolicited(body.run, body.key, outcomes)
            if receipt.accepted:  # else it was sent again
                app.metrics.unsolicited.inc()
    except (TaskNotInSelection, UnknownTask) as error:
        raise Problem.of(error, _place(body, error.task)) from error
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


def _outcomes(body: ReportRequest) -> list[Outcome]:
    return [Outcome(outcome.task, *outcome.counts()) for outcome in body.outcomes]


def _place(body: ReportRequest, task: str) -> str:
    position = next(number for number, outcome in enumerate(body.outcomes) if outcome.task == task)
    return f"outcomes[{position}].task"
