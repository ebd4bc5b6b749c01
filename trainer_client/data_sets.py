"""A trainer's data set beside the pool of its run: what does not fit is found before anything is selected."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from trainer_client.client import SelectorClient
from trainer_client.errors import Forbidden, NotFound
from trainer_client.models import RunStatus
from trainer_client.outcomes import id_text

logger = logging.getLogger("trainer_client")

NAMED = 3
"""How many tasks a message names."""


class DataSetMismatch(ValueError):
    """The data set and the run's pool do not fit together."""


@dataclass(frozen=True)
class Fitted:
    """A run as the data set found it: its status, and the tasks that were excluded as the data set lacks them."""

    status: RunStatus
    excluded: list[str]


def task_ids(column: Iterable[Any]) -> list[str]:
    """The ids in a data set's column, integers as their decimal text.

    Raises:
        DataSetMismatch: one is no id, or stands there twice.
    """
    rows: dict[str, int] = {}
    for row, value in enumerate(column):
        task = id_text(value)
        if not isinstance(task, str) or not task:
            raise DataSetMismatch(f"row {row}: got {value!r} as a task's id; it must be a text or an integer")
        if task in rows:
            raise DataSetMismatch(
                f"task {task!r} stands there twice, in rows {rows[task]} and {row}; give each task one row"
            )
        rows[task] = row
    return list(rows)


def fit(selector: SelectorClient, tasks: Sequence[str]) -> Fitted:
    """Compare the data set with the pool of the selector's run, and exclude in the run what the data set lacks.

    Raises:
        DataSetMismatch: the pool lacks a task of the data set.
        SelectorError: the service is away, or refuses.
    """
    status = selector.run_status()
    known = _tasks_of_run(selector, status)
    there = set(known)
    unknown = [task for task in tasks if task not in there]
    if unknown:
        raise DataSetMismatch(
            f"the pool {status.config.get('pool')!r} of run {status.run!r} lacks {len(unknown)} of the data set's "
            f"{len(tasks)} tasks, such as {_named(unknown)}; its own are such as {_named(known)}. Add them with "
            "`bots pool import` or `add_tasks`, or give the run's pool the ids of the data set"
        )
    here = set(tasks)
    others = [task for task in known if task not in here]
    if others:
        selector.exclude(others)
        logger.warning(
            "run %r: %d of the pool's %d tasks are not in the data set, such as %s; they are excluded from the run",
            status.run,
            len(others),
            len(known),
            _named(others),
        )
    return Fitted(status, others)


def _tasks_of_run(selector: SelectorClient, status: RunStatus) -> list[str]:
    """The ids of the run's pool."""
    try:
        return [task.id for task in selector.pool_tasks(str(status.config.get("pool")))]
    except (NotFound, Forbidden):  # A service of release 0.2, or a token for this run alone.
        return [row.task for row in selector.posteriors()]


def _named(tasks: Iterable[str]) -> str:
    return ", ".join(repr(task) for task in islice(tasks, NAMED)) or "none"
