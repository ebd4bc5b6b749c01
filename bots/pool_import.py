"""`bots pool import`: a file's tasks into a pool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bots.task_columns import Domain, Id, IdFromHash, Prefix, Reference, Scale, task_columns
from services.command_line.connection import Token, Url, checked_name, connected
from services.command_line.failures import INTERRUPTED, Failure

if TYPE_CHECKING:
    from rich.progress import Progress

    from services.task_files.census import Census, Overlap
    from services.task_files.pool_tasks import TaskColumns, TaskFile
    from services.task_files.task_batch import TaskBatch
    from trainer_client import SelectorClient, TaskReceipt

METHOD_NOT_ALLOWED = 405
"""What services before 0.3, which do not list a pool's tasks, answer: contradictions show when tasks are sent."""
OTHER_TASKS = "If they are other tasks, give them ids of their own: --prefix PREFIX, or --id COLUMN,COLUMN"


def import_tasks(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="A .parquet, .jsonl, .ndjson, .json or .csv file; all but the first also with .gz behind.",
        ),
    ],
    pool: Annotated[
        str, typer.Option("--pool", callback=checked_name, help="The pool; it is made if it is not there.")
    ],
    id_column: Id = None,
    id_from_hash: IdFromHash = None,
    prefix: Prefix = "",
    domain: Domain = None,
    reference: Reference = None,
    scale: Scale = None,
    url: Url = "",
    token: Token = None,
) -> None:
    """Import the tasks of a file into a pool.

    A dotted column reaches into a struct; other columns are not read.
    The file is checked as a whole, and against the pool, before anything
    is sent. Importing it again changes nothing, so an interrupted import
    is run again; references that the pool's tasks lack are added to them.

    Example:

        bots pool import math.parquet --pool math --id data_source,index
            --domain data_source --reference weak=qwen2.5_7b_pass_rate
            --reference strong=failures --scale strong=failures/16
    """
    columns = task_columns(id_column, id_from_hash, prefix, domain, reference or [], scale or [])

    from services.command_line.output import progress_bar
    from services.task_files.filling import fill_with_batches
    from services.task_files.pool_tasks import TaskFile

    try:
        tasks = TaskFile(file, columns)
        with progress_bar() as bar:
            census = _counted(tasks, bar)
            with connected(url, token) as client:
                shown = bar.add_task("comparing with the pool", total=None)
                overlap = _compared(client, pool, tasks, census)
                bar.remove_task(shown)
                receipt = fill_with_batches(client, pool, _ordered(tasks, overlap, bar))
    except KeyboardInterrupt:
        raise Failure(
            "interrupted. Run the same command again: tasks that were sent are left as they are", INTERRUPTED
        ) from None
    _tell(pool, columns, census, overlap, receipt)


def _counted(tasks: TaskFile, bar: Progress) -> Census:
    """The census of a file's tasks. Raises `Failure` if there are none, or two that contradict each other."""
    from services.task_files.census import Census, differences

    census = Census(_moving(bar, "checking", tasks))
    if not census.rows:
        raise Failure(f"{tasks.path}: there is no row in it")
    rows = census.contradiction()
    if rows is None:
        return census
    found = tasks.at(rows)
    (earlier, one), (later, other) = found[rows[0]], found[rows[1]]
    theirs, mine = differences(one, other)
    raise Failure(
        f"{tasks.path}, {later}: task {other.id!r} has {mine}, and in {earlier} {theirs}. Nothing was sent. "
        f"{OTHER_TASKS}"
    )


def _compared(client: SelectorClient, pool: str, tasks: TaskFile, census: Census) -> Overlap | None:
    """What the file has in common with the pool; None: there is no such pool.

    Raises `Failure` naming the first rows that contradict the pool.
    """
    from services.task_files.census import Overlap, differences
    from services.task_files.filling import is_there, tasks_of_pool
    from trainer_client import ApiError

    if not is_there(client, pool):
        return None
    try:
        overlap = census.compared(tasks_of_pool(client, pool))
    except ApiError as error:
        if error.status == METHOD_NOT_ALLOWED:
            return Overlap()
        raise
    if not overlap.named:
        return overlap
    lines: list[str] = []
    for row, (place, task) in tasks.at(overlap.named).items():
        mine, theirs = differences(task, overlap.named[row])
        lines.append(f"{tasks.path}, {place}: task {task.id!r} has {mine}, and in pool {pool!r} {theirs}")
    more = overlap.conflicts - len(lines)
    lines.append(f"{f'So do {more:,} more. ' if more else ''}Nothing was sent. {OTHER_TASKS}")
    raise Failure("\n".join(lines))


def _ordered(tasks: TaskFile, overlap: Overlap | None, bar: Progress) -> Iterator[TaskBatch]:
    """The tasks, first one for each reference that it lacks: if a run reads that name, all is refused at once."""
    import numpy as np

    from services.task_files.task_batch import TaskBatch

    batches = _moving(bar, "sending", tasks)
    if overlap is None or not overlap.extending:
        yield from batches
        return
    first = tasks.at(set(overlap.extending.values()))
    yield TaskBatch.of([task for _, task in first.values()])
    start = 0
    for batch in batches:
        sent = [row - start for row in first if start <= row < start + len(batch)]
        yield batch.take(np.delete(np.arange(len(batch)), sent)) if sent else batch
        start += len(batch)


def _moving(bar: Progress, description: str, tasks: TaskFile) -> Iterator[TaskBatch]:
    """The file's tasks, while a bar shows how far it was read."""
    shown = bar.add_task(description, total=tasks.total)
    for batch in tasks.batches():
        yield batch
        bar.update(shown, completed=batch.position)
    bar.remove_task(shown)


def _tell(
    pool: str, columns: TaskColumns, census: Census, overlap: Overlap | None, receipt: TaskReceipt
) -> None:
    """Say what became of the tasks; what the user may not expect goes to stderr."""
    from services.command_line.output import told_of

    if census.repeated:
        typer.echo(f"{census.repeated:,} of {census.rows:,} rows repeat an earlier id: no tasks of their own")
    typer.echo(told_of(pool, receipt))
    for name, rows in census.measured(columns.references).items():
        if rows < census.rows:
            typer.echo(
                f"reference {name!r}: {census.rows - rows:,} of {census.rows:,} rows have none", err=True
            )
    # Ids made from several columns, from content or with a prefix are meant to be the same where they are.
    told_apart = columns.prefix or len(columns.of_id) > 1 or columns.hashed
    if overlap is not None and overlap.known > overlap.measured and not told_apart:
        typer.echo(
            f"{overlap.known:,} of {census.rows - census.repeated:,} ids were in the pool already and are taken as "
            f"the same tasks; no pass rate in common confirms it. {OTHER_TASKS}",
            err=True,
        )
