"""What `bots replay` reads: logs with the tasks that they speak of."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from bots.run_export import EVENTS, TASKS
from selector_api.core.fold import UnreadableLog
from selector_api.core.replay import NamedTasks, damage_told
from selector_api.core.task_rows import TaskRows
from selector_api.core.tasks import TaskTable
from selector_api.near_names import hint
from services.command_line.failures import Failure
from services.task_files.pool_tasks import TaskFile
from trainer_client import Task

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Log:
    """A log that can be gone through several times."""

    name: str
    events: Callable[[], Iterator[Event]]
    table: TaskTable
    """The pool's tasks."""
    is_run: bool = True
    """Whether it is of a run, which had a posterior of its own."""
    has_pool: bool = True
    """Whether the tasks' domains and references are known."""


def saved_run(path: Path, name: str, later: TaskFile | None) -> Log:
    """The run that `bots run export` wrote to a file.

    Args:
        path: the file.
        name: what the log is called.
        later: what the tasks have beside, or in place of, the domains and references that were saved.

    Raises:
        Failure: one of the files cannot be read, or `later` names a task that the pool does not have.
    """
    tasks = {task.id: task for task in _tasks(path)}
    for task in distinct_tasks(later) if later is not None else ():
        if task.id not in tasks:
            raise Failure(f"--tasks: {task.id!r} is no task of {name}{hint(task.id, tasks)}")
        saved = tasks[task.id]
        references = {**saved.references, **task.references}
        tasks[task.id] = Task(id=task.id, domain=task.domain or saved.domain, references=references)
    return Log(name, lambda: _lines(path, EVENTS), table_of(tasks.values()))


def log_file(path: Path, tasks: TaskFile | None) -> Log:
    """A log, a JSON object a line, with the tasks of its pool in the pool's order, if they are given.

    Raises:
        Failure: one of the files cannot be read.
    """
    if tasks is not None:
        return Log(path.name, lambda: _lines(path), table_of(distinct_tasks(tasks)))
    named = NamedTasks()
    try:
        for number, event in enumerate(_lines(path), 1):
            with damage_told(number):
                named.read(event)
    except UnreadableLog as error:
        raise Failure(f"{path}: {error}") from error
    return Log(path.name, lambda: named.log(_lines(path)), named.table(), has_pool=False)


def table_of(tasks: Iterable[Task]) -> TaskTable:
    """The tasks in columns."""
    rows = list(tasks)
    columns = TaskRows.of(
        [task.id for task in rows], [task.domain for task in rows], [task.references for task in rows]
    )
    return TaskTable.empty().extended(columns)


def distinct_tasks(file: TaskFile) -> list[Task]:
    """The tasks of a file, each once.

    Raises:
        Failure: two rows of one task say different things of it.
    """
    tasks: dict[str, Task] = {}
    for row, task in file.with_rows():
        if tasks.setdefault(task.id, task) != task:
            raise Failure(
                f"{file.path}, {row.place}: task {task.id!r} has another domain, or other pass rates, than in an "
                "earlier row"
            )
    return list(tasks.values())


def _tasks(path: Path) -> Iterator[Task]:
    """The tasks that `bots run export` wrote."""
    for number, row in enumerate(_lines(path, TASKS), 1):
        try:
            yield Task(**{name: row[name] for name in ("id", "domain", "references")})
        except (KeyError, ValueError) as error:
            raise Failure(
                f"{path}, {TASKS}, line {number}: it is not a task as `bots run export` writes it"
            ) from error


def _lines(path: Path, member: str | None = None) -> Iterator[dict[str, Any]]:
    """The objects in a file of JSON lines, or in a member of a zip file."""
    place = f"{path}, {member}" if member else str(path)
    try:
        with ExitStack() as opened:
            if member:
                lines = opened.enter_context(opened.enter_context(ZipFile(path)).open(member))
            else:
                kind = gzip.open if path.suffix == ".gz" else open
                lines = opened.enter_context(kind(path, "rb"))
            for number, line in enumerate(lines, 1):
                yield _object(line, f"{place}, line {number}", "id" if member == TASKS else "type")
    except KeyError as error:
        raise Failure(f"{place}: it is not in the file; `bots run export` writes one that has it") from error
    except (OSError, EOFError, BadZipFile, zlib.error) as error:
        raise Failure(f"{place}: not readable: {error}") from error


def _object(line: bytes, place: str, needed: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Failure(f"{place}: not JSON: {error}") from error
    if not isinstance(found, dict) or needed not in found:
        raise Failure(
            f"{place}: there is no {needed!r}. A log is what `bots run export` or `bots events export` writes; "
            "of a file with outcomes tell the columns: --successes, --trials"
        )
    return found
