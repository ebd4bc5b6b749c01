"""What the commands show and write."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from services.command_line.failures import Failure, of_file

if TYPE_CHECKING:
    from rich.progress import Progress

    from trainer_client import TaskReceipt

T = TypeVar("T")

# Moving the bar for every row would cost more than reading it.
ROWS_A_MOVE = 1000


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when all went well and vanishes otherwise.

    Raises `Failure` if the file system refuses.
    """
    path = path.resolve()
    # Not by process id: pods that share a folder often have the same one.
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.unfinished")
    try:
        if path.exists() and not path.is_file():
            raise Failure(f"{path}: not a file that could be replaced")
        try:
            yield unfinished
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}", of_file(error)) from error


def told_of(pool: str, receipt: TaskReceipt) -> str:
    """What became of the tasks that were sent to a pool."""
    extended = f"{receipt.extended:,} extended by new references, " if receipt.extended else ""
    return (
        f"pool {pool!r}: {receipt.inserted:,} inserted, {extended}{receipt.unchanged:,} unchanged, "
        f"{receipt.tasks:,} tasks in all"
    )


def progress_bar() -> Progress:
    """A progress bar on stderr; none where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def moving(bar: Progress, description: str, items: Iterable[tuple[int, T]], total: int | None) -> Iterator[T]:
    """The items, while a bar shows the position that comes before each, out of `total` (None: unknown)."""
    shown = bar.add_task(description, total=total)
    for number, (position, item) in enumerate(items):
        if number % ROWS_A_MOVE == 0:
            bar.update(shown, completed=position)
        yield item
    bar.remove_task(shown)
