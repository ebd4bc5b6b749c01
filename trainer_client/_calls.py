"""The plans of a training's calls (see `_exchange`), for the sync and the async client alike."""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from trainer_client._exchange import Plan, answer_of, exchange, nothing
from trainer_client._outbox import Outbox, send_lost, send_report
from trainer_client._pools_and_runs import PoolsAndRuns, json_request, path_of
from trainer_client._spooling import Spooling
from trainer_client.fallback import Fallback, logger
from trainer_client.models import Receipt, Selection
from trainer_client.outcomes import Drops, Outcome, Outcomes, id_text, outcome_list

NAMED = 10
"""How many tasks a warning names."""
RETRIES_BEFORE_FALLBACK = 4
"""Some seconds: with a fallback a training need not wait."""


class Lease(BaseModel):
    """The answer to a lease's renewal."""

    expires_at: datetime


class Calls(PoolsAndRuns):
    """The calls of one client: its run, its patience and its fallback."""

    def __init__(self, run: str | None, max_retries: int | None, fallback: Fallback | None):
        if fallback is not None and max_retries is None:
            max_retries = RETRIES_BEFORE_FALLBACK
        super().__init__(run, max_retries)
        self._outbox = Outbox(None if fallback is None else fallback.spool.folder / "acknowledged")
        self._spooling = None if fallback is None else Spooling(fallback, max_retries or 0, self._outbox)
        self.resumes = False
        self._warned_of_replay = False
        self._warned_of_differing: set[str] = set()

    @property
    def has_fallback(self) -> bool:
        """Whether a training may go on while the service is away."""
        return self._spooling is not None

    def select(
        self,
        batch_size: int | None,
        informative: float | None,
        rollouts: int | None,
        key: str | None,
        explain: bool,
        policy_version: int | None,
        lease_seconds: float | None,
    ) -> Plan[Selection]:
        """One selection; its key is made here, once, so that all attempts ask for the same one."""
        if (batch_size is None) == (informative is None):
            raise ValueError("give either batch_size, or informative to have the batch planned")
        run = self.run_or(None)
        key = uuid.uuid4().hex if key is None else key
        told = {
            "batch_size": batch_size,
            "informative": informative,
            "rollouts": rollouts,
            "explain": explain or None,
            "policy_version": policy_version,
            "lease_seconds": lease_seconds,
        }
        body = {"run": run, "key": key} | {name: value for name, value in told.items() if value is not None}
        request = json_request("POST", "select", body)
        if self._spooling is None:
            return (yield from exchange(request, answer_of(Selection), self.max_retries))
        return (yield from self._spooling.select(request, run, batch_size, informative, key))

    def report(
        self,
        selection: Selection,
        outcomes: Outcomes,
        dropped: Drops,
        final: bool,
        policy_version: int | None,
    ) -> Plan[Receipt]:
        """One report."""
        seen = outcome_list(outcomes)
        if selection.fallback and not seen and (final or dropped):
            return _nothing_to_tell(selection)
        body = _report_body(selection, seen, {id_text(task): why for task, why in dropped.items()}, final)
        if policy_version is not None:
            body["policy_version"] = policy_version
        text = json.dumps(body).encode()
        if self._spooling is None:
            receipt = yield from self._send(selection.run, text)
        else:
            receipt = yield from self._spooling.report(text, selection)
        self._check_replay(selection, receipt)
        self._check_differing(selection.run, receipt)
        return receipt

    def report_without_selection(
        self, run: str | None, key: str, outcomes: Outcomes, evaluation: bool, policy_version: int | None
    ) -> Plan[Receipt]:
        """Outcomes of tasks that no selection handed out; `evaluation`: they are not of training."""
        run = self.run_or(run)
        rows = [outcome.row() for outcome in outcome_list(outcomes)]
        body: dict[str, Any] = {"run": run, "selection": None, "key": key, "outcomes": rows}
        if evaluation:
            body["evaluation"] = True
        if policy_version is not None:
            body["policy_version"] = policy_version
        receipt = yield from self._send(run, json.dumps(body).encode())
        self._check_differing(run, receipt)
        return receipt

    def renew(self, selection: Selection, seconds: float) -> Plan[Selection]:
        """`POST /runs/{run}/selections/{id}/renew`; nothing of a fallback selection is leased."""
        if selection.fallback:
            return selection
        path = path_of("runs", selection.run, "selections", selection.selection, "renew")
        request = json_request("POST", path, {"seconds": seconds})
        lease = yield from exchange(request, answer_of(Lease), self.max_retries)
        return selection.model_copy(update={"expires_at": lease.expires_at})

    def release(self, selection: Selection | str) -> Plan[None]:
        """`POST /runs/{run}/selections/{id}/release`; nothing of a fallback selection is leased."""
        if isinstance(selection, str):
            run, name = self.run_or(None), selection
        elif selection.fallback:
            return
        else:
            run, name = selection.run, selection.selection
        path = path_of("runs", run, "selections", name, "release")
        yield from exchange(json_request("POST", path, {}), nothing, self.max_retries)

    def _send(self, run: str, body: bytes) -> Plan[Receipt]:
        receipt = yield from send_report(self._outbox, run, body, self.max_retries)
        yield from send_lost(self._outbox)
        return receipt

    def flush(self) -> Plan[int]:
        """Send what is spooled or was lost; the number of reports that still wait."""
        if self._spooling is None:
            yield from send_lost(self._outbox)
            return len(self._outbox.lost)
        return (yield from self._spooling.flush())

    def end(self) -> None:
        """Say so if reports are left for the folder's next client."""
        if self._spooling is not None:
            self._spooling.end()
        self._outbox.close()

    def _check_replay(self, selection: Selection, receipt: Receipt) -> None:
        """Say, once, if a selection was made before and all its reported outcomes had been counted before."""
        if self._warned_of_replay or not selection.replayed:
            return
        if receipt.accepted == 0 and receipt.duplicates > 0:
            self._warned_of_replay = True
            logger.log(
                logging.INFO if self.resumes else logging.WARNING,
                "run %r: the outcomes of selection %s had all been reported before and do not count again. "
                "Harmless if this training resumes; but one run per training: a restart from scratch needs "
                "a new run",
                selection.run,
                selection.selection,
            )

    def _check_differing(self, run: str, receipt: Receipt) -> None:
        """Warn, once a run, if other values than the ones that were sent stand for a task."""
        if not receipt.differing or run in self._warned_of_differing:
            return
        self._warned_of_differing.add(run)
        logger.warning(
            "run %r: %d outcomes differ from what stands for their tasks and do not count, such as those of %s. "
            "The first report stands: a training that goes back needs a fork of its run, another training a run of "
            "its own. This is said once a run",
            run,
            receipt.differing,
            ", ".join(map(repr, receipt.differing_tasks[:NAMED])) or "tasks that the service does not name",
        )


def _report_body(
    selection: Selection, outcomes: Sequence[Outcome], dropped: Mapping[str, str], final: bool
) -> dict[str, Any]:
    if not outcomes and not dropped and not final:
        raise ValueError("outcomes: none given; only final=True releases a selection without any")
    selected = set(selection.tasks)
    for task in [*(outcome.task for outcome in outcomes), *dropped]:
        if task not in selected:
            raise ValueError(f"outcomes: task {task!r} is not of selection {selection.selection!r}")
    rows = [outcome.row() for outcome in outcomes]
    if selection.fallback:  # Nothing was leased, so there is nothing to drop.
        return {"run": selection.run, "selection": None, "key": selection.selection, "outcomes": rows}
    if both := dropped.keys() & {outcome.task for outcome in outcomes}:
        raise ValueError(f"dropped: task {min(both)!r} has an outcome, too; give one of them")
    rows += [{"task": task, "dropped": why} for task, why in dropped.items()]
    body: dict[str, Any] = {"run": selection.run, "selection": selection.selection}
    if final:
        body["final"] = True
    return {**body, "outcomes": rows}


def _nothing_to_tell(selection: Selection) -> Receipt:
    return Receipt(
        selection=None, accepted=0, duplicates=0, remaining=0, committed=False, step=selection.step
    )
