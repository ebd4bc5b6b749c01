"""Tasks that are named to a command, as arguments or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.command_line.failures import Failure

TaskNames = Annotated[list[str] | None, typer.Argument(metavar="TASK…", help="Ids of tasks.")]
TaskFile = Annotated[
    Path | None,
    typer.Option("--file", exists=True, dir_okay=False, readable=True, help="A file with an id a line, too."),
]


def task_names(tasks: list[str] | None, file: Path | None) -> list[str]:
    """The ids that were given.

    Raises:
        Failure: there is none, or the file cannot be read.
    """
    names = list(tasks or ())
    if file is not None:
        try:
            names += [line for line in file.read_text(encoding="utf-8").split("\n") if line]
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"--file: {file} cannot be read: {error}") from error
    if not names:
        raise Failure("TASK…: name at least one task, or give --file")
    return names
