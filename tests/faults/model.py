"""The plain model: what a log must hold, given what workers sent and what was acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from tests.faults.workers import Row, truth


def rows_of(events: Iterable[dict[str, Any]]) -> list[tuple[Row, tuple[float, int]]]:
    """Each outcome of the log: its selection, or the key that stands for a lost one, its task, what was seen."""
    tasks: dict[str, list[str]] = {}
    rows: list[tuple[Row, tuple[float, int]]] = []
    for event in events:
        if event["type"] == "selected":
            tasks[event["selection"]] = event["tasks"]
        if event["type"] != "committed":
            continue
        outcomes = event["outcomes"]
        parts = outcomes.items() if isinstance(outcomes, dict) else [(event["key"], outcomes)]
        for source, part in parts:
            for task, successes, trials, *_ in part:
                name = tasks[source][task] if isinstance(task, int) else task
                rows.append(((source, name), (successes, trials)))
    return rows


def violations(events: list[dict[str, Any]], sent: set[Row], acknowledged: set[Row]) -> list[str]:
    """What the log has that it must not have, and what it lacks."""
    rows = rows_of(events)
    counts = Counter(row for row, _ in rows)
    times = [event["at"] for event in events]
    found = [f"lost: {row}" for row in sorted(acknowledged - counts.keys())]
    found += [f"counted {count} times: {row}" for row, count in sorted(counts.items()) if count > 1]
    found += [f"nobody sent: {row}" for row in sorted(counts.keys() - sent)]
    found += [f"other values: {row} {seen}" for row, seen in rows if seen != truth(*row)]
    found += [
        f"time goes back behind event {place}" for place, (a, b) in enumerate(pairwise(times), 1) if b < a
    ]
    return found
