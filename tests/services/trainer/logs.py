"""What a run's log must look like, whatever happened to the trainer."""

from __future__ import annotations

from collections import Counter
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
        assert sorted(outcome["task"] for outcome in committed["outcomes"]) == sorted(selected["tasks"])


def evidence_in_log(events: list[dict[str, Any]]) -> Evidence:
    return Counter(
        (outcome["task"], outcome["successes"], outcome["trials"])
        for event in events
        if event["type"] == "committed"
        for outcome in event["outcomes"]
    )


def evidence_in_records(records: Records) -> Evidence:
    return Counter(
        (task.task, task.successes, task.trials)
        for step in records.steps
        for selection in step.selections
        for task in selection.tasks
    )
