"""A trainer's data set beside the pool of its run: what does not fit is found before anything is selected."""

import logging
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from trainer_client.client import SelectorClient
from trainer_client.errors import Forbidden
from trainer_client.models import RunStatus
from trainer_client.outcomes import id_text

logger = logging.getLogger("trainer_client")

NAMED = 3
"""How many tasks a message names."""


class DataSetMismatch(ValueError):
    """The data set and the run's pool do not fit together."""


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


def fit(selector: SelectorClient, tasks: Sequence[str]) -> RunStatus:
    """Compare the data set with the pool of the selector's run, and exclude in the run what the data set lacks.

    Returns:
        The run's status.

    Raises:
        DataSetMismatch: the pool lacks a task of the data set, or the token may not exclude the others.
        SelectorError: the service is away, or refuses.
    """
    status = selector.run_status()
    here = dict.fromkeys(map(id_text, tasks))
    pool = {row.task: row.excluded for row in selector.posteriors()}
    unknown = [task for task in here if task not in pool]
    if unknown:
        raise DataSetMismatch(
            f"the pool {status.config.get('pool')!r} of run {status.run!r} lacks {len(unknown)} of the data set's "
            f"{len(tasks)} tasks, such as {_named(unknown)}; its own are such as {_named(pool)}"
            ". Add them with `bots pool import` or `add_tasks`, or give the data set the ids of the pool"
        )
    to_exclude = [task for task, excluded in pool.items() if task not in here and not excluded]
    if to_exclude:
        _exclude(selector, status.run, to_exclude, len(pool))
    return status


def _exclude(selector: SelectorClient, run: str, tasks: Sequence[str], of: int) -> None:
    """Let the run not draw these, and say so."""
    lacking = f"{len(tasks)} of the pool's {of} tasks are not in the data set, such as {_named(tasks)}"
    try:
        selector.exclude(tasks)
    except Forbidden as error:
        raise DataSetMismatch(
            f"{lacking}, and the token may not exclude them from run {run!r}: exclude them with one "
            f"that may, or give the run a pool of the data set's tasks ({error})"
        ) from error
    logger.warning("run %r: %s; they are excluded from the run", run, lacking)


def _named(tasks: Iterable[str]) -> str:
    return ", ".join(repr(task) for task in islice(tasks, NAMED)) or "none"
