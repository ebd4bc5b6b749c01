"""What to answer for a task that is not there, among many that were named."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

from selector_api.core.tasks import TaskTable
from selector_api.store.errors import UnknownTask
from selector_api.web.problems import UNKNOWN_TASK, Problem

_MOST_COMPARED = 20_000


def of_unknown_task(error: UnknownTask, tasks: Sequence[str], table: TaskTable) -> Problem:
    """Names it, its place and what is near it."""
    known = table.ids(np.arange(min(len(table), _MOST_COMPARED)))
    near = ", ".join(map(repr, get_close_matches(error.task, known)))
    return Problem(
        UNKNOWN_TASK,
        f"tasks[{list(tasks).index(error.task)}]: there is no task {error.task!r}"
        f"{f'; near it: {near}' if near else ''}; nothing was changed",
    )
