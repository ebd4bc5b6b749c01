"""What a run's log must look like, whatever happened to the trainer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from services.trainer.records import Records
from trainer_client import SelectorClient

Evidence = Counter[tuple[str, float, int]]


def events_of(url: str, run: str) -> list[dict[str, Any]]:
    with SelectorClient(url, run=run) as client:
        return list(client.events())


def assert_each_selection_counted_once(events: list[dict[str, Any]], selections: int) -> None:
    """So many selections, each followed at once by one commit with an outcome of each of its tasks."""
    told = [event for event in events if event["type"] != "created"]
    kinds = [event["type"] for event in told]
    assert kinds == ["selected", "committed"] * selections, kinds
    for selected, committed in zip(told[::2], told[1::2], strict=True):
        assert committed["selection"] == selected["selection"]
        rows = committed["outcomes"][selected["selection"]]
        assert [place for place, *_ in rows] == list(range(len(selected["tasks"])))


def evidence_in_log(events: list[dict[str, Any]]) -> Evidence:
    drawn = {event["selection"]: event["tasks"] for event in events if event["type"] == "selected"}
    return Counter(
        (drawn[selection][place] if isinstance(place, int) else place, successes, trials)
        for event in events
        if event["type"] == "committed"
        for selection, rows in _by_selection(event)
        for place, successes, trials, *_ in rows
    )


def _by_selection(event: dict[str, Any]) -> Iterable[tuple[str, list[list[Any]]]]:
    """The outcomes of a commit; those without a selection have ids for places."""
    outcomes = event["outcomes"]
    return [("", outcomes)] if isinstance(outcomes, list) else outcomes.items()


def evidence_in_records(records: Records) -> Evidence:
    return Counter(
        (task.task, task.successes, task.trials)
        for step in records.steps
        for selection in step.selections
        for task in selection.tasks
    )
