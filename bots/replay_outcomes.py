"""Files of outcomes that no selector saw, as logs for `bots replay`: a row a group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from bots.replay_logs import Event, Log, distinct_tasks, table_of
from selector_api.core.config import RunConfig
from selector_api.core.fold import LOG_VERSION
from services.command_line.failures import Failure
from services.task_files.pool_tasks import TaskColumns, TaskFile
from services.task_files.rows import Row, wrong_value
from services.task_files.scales import number


@dataclass(frozen=True)
class OutcomeColumns:
    """Where outcomes stand in a row."""

    successes: str
    trials: str | int
    """A column, or how many there always are."""
    step: str | None
    """Rows of the same number here are one commit, in ascending order; None: the rows are in order."""
    commit_outcomes: int
    """Without a column of steps: rows of a commit."""

    def names(self) -> list[str]:
        """Every column that is read."""
        return [name for name in (self.successes, self.trials, self.step) if isinstance(name, str)]


def outcome_file(path: Path, tasks: TaskColumns, columns: OutcomeColumns) -> Log:
    """A file's outcomes as the log of a run that selected nothing.

    Raises:
        Failure: the file cannot be read, or a value is none that an outcome can have.
    """
    file = TaskFile(path, tasks, columns.names())
    table = table_of(distinct_tasks(file))
    rows: list[tuple[float, list[Any]]] = []
    for place, (row, task) in enumerate(file.with_rows()):
        trials = columns.trials if isinstance(columns.trials, int) else _number(path, row, columns.trials)
        successes = _number(path, row, columns.successes)
        if not trials > 0:
            raise wrong_value(path, row, str(columns.trials), trials, "There is at least one trial")
        if not 0 <= successes <= trials:
            raise wrong_value(
                path, row, columns.successes, successes, f"It is from 0 to the trials, {trials}"
            )
        step = _number(path, row, columns.step) if columns.step else place // columns.commit_outcomes
        rows.append((step, [task.id, successes, trials]))
    if not rows:
        raise Failure(f"{path}: there is no row in it")
    rows.sort(key=lambda each: each[0])
    return Log(path.name, lambda: _log(rows, len(table)), table, is_run=False)


def _log(rows: Sequence[tuple[float, list[Any]]], tasks: int) -> Iterator[Event]:
    config = RunConfig(pool="outcomes").to_dict()
    yield {"type": "created", "version": LOG_VERSION, "config": config, "tasks": tasks}
    for _, commit in groupby(rows, key=lambda each: each[0]):
        outcomes = [outcome for _, outcome in commit]
        yield {
            "type": "committed",
            "selection": None,
            "reason": "unsolicited",
            "closes": [],
            "outcomes": outcomes,
        }


def _number(path: Path, row: Row, column: str) -> float:
    value = number(row.values[column])
    if not isinstance(value, float) or not abs(value) < float("inf"):
        raise wrong_value(path, row, column, row.values[column], "It is a number")
    return value
