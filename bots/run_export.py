"""`bots run export`: all that a finished training has told, in one file, which `bots replay` reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zipfile import ZIP_DEFLATED, ZipFile

import typer

from services.command_line.connection import RunName, Token, Url, connected
from services.command_line.failures import Failure

if TYPE_CHECKING:
    from trainer_client import SelectorClient

SUFFIX = ".zip"
EVENTS, TASKS = "events.jsonl", "tasks.jsonl"


def export(
    run: RunName,
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="Where to write.")],
    url: Url = "",
    token: Token = None,
) -> None:
    """Write a run's log and its pool's tasks to a file: what `bots replay` needs, without a service.

    The file is a zip of events.jsonl, the log, and tasks.jsonl, the
    tasks with their domains and references in the pool's order. It
    appears when it is complete.

    Example:

        bots run export my-run my-run.zip
    """
    from services.command_line.output import replacing

    if file.suffix.lower() != SUFFIX:
        raise Failure(f"FILE: got {file.name!r}; its suffix must be {SUFFIX}")
    with connected(url, token) as client, replacing(file) as unfinished:
        events, tasks = write_run(client, run, unfinished)
    typer.echo(f"{file}: {events:,} events, {tasks:,} tasks")


def write_run(client: SelectorClient, run: str, path: Path) -> tuple[int, int]:
    """Write a run to a file, and tell how many events and tasks there are."""
    from services.command_line.output import moving, progress_bar

    pool = ""

    def events() -> Iterator[tuple[int, dict[str, Any]]]:
        nonlocal pool
        for event in client.events(run):
            if event["type"] == "created":
                pool = event["config"]["pool"]
            yield event["seq"], event

    with progress_bar() as bar, ZipFile(path, "w", ZIP_DEFLATED) as archive:
        written = _write(archive, EVENTS, moving(bar, "events", events(), None))
        # Behind the events: of the pool there are at least as many tasks as they speak of.
        rows = ((number, task.model_dump()) for number, task in enumerate(client.pool_tasks(pool)))
        return written, _write(archive, TASKS, moving(bar, "tasks", rows, None))


def _write(archive: ZipFile, name: str, rows: Iterator[dict[str, Any]]) -> int:
    written = 0
    with archive.open(name, "w", force_zip64=True) as file:
        for row in rows:
            file.write(json.dumps(row).encode() + b"\n")
            written += 1
    return written
