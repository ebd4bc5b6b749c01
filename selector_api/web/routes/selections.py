"""The two calls of a training step, and those that keep or give back a lease."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, cast

import anyio.to_thread
from fastapi import APIRouter, Header, Path, Request, Response
from starlette.responses import JSONResponse

from selector_api.core.fields import Id
from selector_api.core.rewards import Rewards
from selector_api.core.times import rfc3339
from selector_api.store.codec import Drop, Outcome
from selector_api.store.drawing import Wanted
from selector_api.store.receipts import Lease
from selector_api.store.refusals import TaskNotInSelection, UnknownTask
from selector_api.web import problems
from selector_api.web.app_state import App, AppState, RunName
from selector_api.web.auth import Caller
from selector_api.web.calls import Call
from selector_api.web.outcomes import counted
from selector_api.web.problems import Problem, documented
from selector_api.web.schemas.receipts import PlaceView, ReceiptView
from selector_api.web.schemas.selections import (
    LeaseView,
    ReleaseRequest,
    RenewRequest,
    ReportRequest,
    SelectionView,
    SelectRequest,
    Status,
)
from selector_api.web.step_route import StepRoute

router = APIRouter(route_class=StepRoute, tags=["training"])

SelectionId = Annotated[Id, Path(description="The selection's id")]
Outbox = Annotated[
    str | None,
    Header(
        alias="X-Bots-Outbox",
        pattern="^[0-9a-f]{32} [0-9]{1,15} [0-9]{1,15}$",
        description="A client's own id, of 32 hexadecimal digits, the number of this report, which no other one "
        "of it has, and the lowest number that the client asks for. By the receipt's `place` a client notices that "
        "Redis has lost some of its reports, and sends them again",
    ),
]
_FEW = 1_000
"""Rows, and rewards of a row, that are counted at once: more of them take a thread."""


@router.post(
    "/select",
    response_model=SelectionView,
    responses=documented(
        *problems.ANY_CALL,
        *problems.JSON_BODY,
        problems.UNKNOWN_RUN,
        problems.KEY_CONFLICT,
        problems.PAST_HORIZON,
        problems.NOT_EXPLAINED,
        problems.BATCH_TOO_LARGE,
    ),
)
@Call("train", names_run_in_body=True, is_timed=True)
async def select(body: SelectRequest, request: Request) -> Response:
    """Draw a batch of tasks and lease it. The same `key` again answers with the same selection.

    With `informative` in place of `batch_size` it is the smallest batch, in the policy's order, that promises so
    many informative groups of `rollouts`; a further call, with its own key, tops the step up. A planned batch is
    also answered if its key comes with its size.
    """
    app = AppState.of(request)
    Caller.of(request).check_run(body.run)
    live_run = await app.store.live_runs.of(body.run)
    with app.costs.timed("select", body.run):
        event, replayed = await live_run.select(
            Wanted(body.batch_size, body.informative, body.rollouts),
            body.key,
            body.explain,
            body.policy_version,
            body.lease_seconds,
        )
    if not replayed:
        app.metrics.selected.inc(len(event["tasks"]))
    answer: dict[str, Any] = {
        "selection": event["selection"],
        "run": body.run,
        "step": event["step"],
        "tasks": event["tasks"],
        "expires_at": rfc3339(event["expires_at"]),
        "replayed": replayed,
        "status": event["status"],
        "predicted": event.get("predicted"),
    }
    if body.explain:
        answer["explain"] = event["explain"]
    return JSONResponse(answer)


@router.post(
    "/report",
    response_model=ReceiptView,
    responses=documented(
        *problems.ANY_CALL,
        *problems.JSON_BODY,
        problems.UNKNOWN_RUN,
        problems.UNKNOWN_SELECTION,
        problems.PAST_HORIZON,
        problems.TASK_NOT_IN_SELECTION,
    ),
)
@Call(
    "train",
    body_limit=lambda settings: settings.max_report_body_bytes,
    names_run_in_body=True,
    is_timed=True,
)
async def report(body: ReportRequest, request: Request, outbox: Outbox = None) -> Response:
    """Report outcomes. Each counts once, however often it is sent; a report is taken whole or not at all."""
    app = AppState.of(request)
    Caller.of(request).check_run(body.run)
    with app.costs.timed("report", body.run):
        outcomes = await _outcomes(app, body)
        try:
            if body.selection is not None:
                receipt = await app.store.logs.report(
                    body.run, body.selection, outcomes, body.final, outbox or ""
                )
            else:
                assert body.key is not None
                told = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
                receipt = await app.store.logs.report_unsolicited(
                    body.run, body.key, told, body.evaluation, outbox or ""
                )
                if receipt.accepted and not body.evaluation:  # else it was sent again
                    app.metrics.unsolicited.inc()
        except (TaskNotInSelection, UnknownTask) as error:
            raise Problem.of(error, _place(body, error.name)) from error
    for result, count in (
        ("accepted", receipt.accepted),
        ("duplicate", receipt.duplicates),
        ("differing", receipt.differing),
        ("dropped", receipt.dropped),
    ):
        if count:
            app.metrics.outcomes.labels(result).inc(count)
    place = {"place": PlaceView(**asdict(receipt.place))} if receipt.place else {}
    answer = ReceiptView(
        selection=body.selection,
        accepted=receipt.accepted,
        duplicates=receipt.duplicates,
        differing=receipt.differing,
        differing_tasks=list(receipt.differing_tasks),
        dropped=receipt.dropped,
        remaining=receipt.remaining,
        committed=receipt.committed,
        step=receipt.step,
        **place,
    )
    return Response(answer.model_dump_json(exclude_unset=True), media_type="application/json")


async def _outcomes(app: AppState, body: ReportRequest) -> list[Outcome | Drop]:
    live_run = await app.store.live_runs.of(
        body.run
    )  # also so that /metrics shows a run that is only reported to here
    held = live_run.rewards
    if held is not None and body.selection is not None:  # no other run of this name has the selection
        try:
            return await _counted(body, held)
        except Problem:
            if (await app.store.runs.find(body.run)).config.rewards == held:
                raise
    return await _counted(body, (await app.store.runs.find(body.run)).config.rewards)


async def _counted(body: ReportRequest, rewards: Rewards) -> list[Outcome | Drop]:
    if len(body.outcomes) <= _FEW and all(len(item.rewards or ()) <= _FEW for item in body.outcomes):
        return counted(body.outcomes, rewards, body.policy_version)
    return await anyio.to_thread.run_sync(counted, body.outcomes, rewards, body.policy_version)


def _place(body: ReportRequest, task: str) -> str:
    position = next(number for number, outcome in enumerate(body.outcomes) if outcome.task == task)
    return f"outcomes[{position}].task"


_OF_A_LEASE = (
    *problems.ANY_CALL,
    *problems.JSON_BODY,
    problems.UNKNOWN_RUN,
    problems.UNKNOWN_SELECTION,
    problems.PAST_HORIZON,
)


@router.post(
    "/runs/{run}/selections/{selection}/renew",
    responses=documented(*_OF_A_LEASE, problems.SELECTION_CLOSED),
)
@Call("train")
async def renew(run: RunName, selection: SelectionId, body: RenewRequest, app: App) -> LeaseView:
    """Let the lease of an open selection end at another time, counted from now."""
    lease = await app.store.logs.renew(run, selection, max(1, round(body.seconds * 1000)))
    return _lease_view(run, selection, lease)


@router.post("/runs/{run}/selections/{selection}/release", responses=documented(*_OF_A_LEASE))
@Call("train")
async def release(
    run: RunName, selection: SelectionId, app: App, body: ReleaseRequest | None = None
) -> LeaseView:
    """Give a selection back before its lease ends: what was reported is committed, its tasks are free."""
    return _lease_view(run, selection, await app.store.logs.release(run, selection))


def _lease_view(run: str, selection: str, lease: Lease) -> LeaseView:
    status = cast("Status", lease.status)
    return LeaseView(run=run, selection=selection, status=status, expires_at=lease.expires_at)
