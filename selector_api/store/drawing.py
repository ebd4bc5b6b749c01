"""A selection as it is drawn from a run's state, and as it is answered: anew or again."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

from selector_api.core.select import foretold, plan, select
from selector_api.core.state import RunState
from selector_api.store.log_parts import Known
from selector_api.store.refusals import KeyConflict, NotExplained


class Selected(NamedTuple):
    """A selection."""

    event: dict[str, Any]
    """The `selected` event; as they are now `expires_at` (Unix ms) and `status` (open, committed or released)."""
    replayed: bool
    """Whether the key had been used for it before."""


@dataclass(frozen=True)
class Wanted:
    """What a batch is to be: of so many tasks, or as small as promises so many informative groups."""

    batch_size: int | None = None
    informative: float | None = None
    """Where `batch_size` is None."""
    rollouts: int | None = None
    """Of a group; None: as many as the run's posterior takes a group to have."""

    def is_met_by(self, event: dict[str, Any]) -> bool:
        """Whether a `selected` event is what is wanted. A planned batch also is the batch of its size."""
        if self.batch_size is not None:
            return event["batch_size"] == self.batch_size
        return (event.get("informative"), event.get("rollouts")) == (self.informative, self.rollouts)


def draw(state: RunState, wanted: Wanted, explain: bool) -> tuple[dict[str, Any], float]:
    """What a `selected` event tells of the batch that is drawn next, and the seconds of work that it took."""
    started = time.thread_time()
    if wanted.batch_size is None:
        assert wanted.informative is not None
        choice = plan(state, wanted.informative, wanted.rollouts)
    else:
        choice = select(state, wanted.batch_size)
    told = {"informative": wanted.informative, "rollouts": wanted.rollouts}
    event = {
        "number": state.selections + 1,
        "step": state.step,
        "batch_size": len(choice.tasks),
        **{name: value for name, value in told.items() if value is not None},
        "tasks": state.table.ids(choice.tasks),
        **foretold(state, choice, wanted.rollouts, explain=explain),
    }
    return event, time.thread_time() - started


def replayed(run: str, known: Known, wanted: Wanted, explain: bool) -> Selected | None:
    """The selection of a key; None if it was released and another batch is asked for now."""
    event = json.loads(known.event)
    if not wanted.is_met_by(event):
        if known.status == "released":
            return None
        asked = "informative" if wanted.batch_size is None else "batch_size"
        raise KeyConflict(run, event["selection"], event["batch_size"], asked)
    if explain and "explain" not in event:
        raise NotExplained
    if known.expires_at is not None:
        event["expires_at"] = known.expires_at
    return Selected(as_answered(event, known.status), replayed=True)


def as_answered(event: dict[str, Any], status: str) -> dict[str, Any]:
    """The event with its selection's status, and the explanation, if there is one, a row a task."""
    event["status"] = status
    columns: dict[str, list[Any]] | list[dict[str, Any]] | None = event.get("explain")
    if isinstance(columns, dict):
        columns = {"task": event["tasks"], **columns}
        event["explain"] = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
    elif columns is not None:  # 0.2 wrote rows, without these
        event["explain"] = [{"mean": None, "sd": None, "informative": None, **row} for row in columns]
    return event
