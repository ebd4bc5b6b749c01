"""A selection as it is drawn from a run's state, and as it is answered: anew or again."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from selector_api.core.select import explained, predicted, select
from selector_api.core.state import RunState
from selector_api.store.log import Known
from selector_api.store.refusals import KeyConflict, NotExplained


class Selected(NamedTuple):
    """A selection."""

    event: dict[str, Any]
    """The `selected` event; as they are now `expires_at` (Unix ms) and `status` (open, committed or released)."""
    replayed: bool
    """Whether the key had been used for it before."""


def draw(state: RunState, batch_size: int, explain: bool) -> dict[str, Any]:
    """What a `selected` event tells of the batch that is drawn next."""
    choice = select(state, batch_size)
    return {
        "number": state.selections + 1,
        "step": state.step,
        "batch_size": batch_size,
        "tasks": state.table.ids(choice.tasks),
        "predicted": predicted(state, choice),
        **({"explain": explained(state, choice)} if explain else {}),
    }


def replayed(run: str, known: Known, batch_size: int, explain: bool) -> Selected | None:
    """The selection of a key; None if it was released and another batch size is asked for now."""
    event = json.loads(known.event)
    if event["batch_size"] != batch_size:
        if known.status == "released":
            return None
        raise KeyConflict(run, event["selection"], event["batch_size"])
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
    elif columns is not None:  # 0.2 wrote rows, without these two
        event["explain"] = [{"mean": None, "sd": None, **row} for row in columns]
    return event
