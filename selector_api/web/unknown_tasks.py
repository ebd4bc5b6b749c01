"""What to answer for a task that is not there, where the task is what a call is about."""

from __future__ import annotations

from selector_api.store.refusals import UnknownTask
from selector_api.web.problems import UNKNOWN_TASK, Problem


def of_unknown_task(error: UnknownTask, place: str) -> Problem:
    """Names it, its place in the call, and what is near it."""
    return Problem(UNKNOWN_TASK, f"{place}: {error.detail}", got=error.name, near=error.near)
