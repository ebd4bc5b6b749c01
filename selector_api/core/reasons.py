"""Why tasks were dropped, and how often for which reason."""

from __future__ import annotations

from collections.abc import Sequence

MAX_REASONS = 32
OTHER_REASONS = "other reasons"
"""Stands for those beyond the first `MAX_REASONS`."""
LEFT_OUT = "left out"
"""Of the tasks that no report had mentioned when a report with `final` ended their selection."""


def count(drops: dict[str, int], reasons: Sequence[str]) -> None:
    """Add a drop for each of these reasons."""
    for reason in reasons:
        name = reason if reason in drops or len(drops) < MAX_REASONS else OTHER_REASONS
        drops[name] = drops.get(name, 0) + 1


def explain(drops: dict[str, int], reasons: Sequence[str]) -> None:
    """Let as many drops of what was left out be for these reasons, which came later."""
    name = LEFT_OUT if LEFT_OUT in drops else OTHER_REASONS
    drops[name] -= len(reasons)
    if not drops[name]:
        del drops[name]
    count(drops, reasons)
