"""`bots run export`: all that a finished training has told, in one file, which `bots replay` reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

import typer

from services.command_line.connection import RunName, Token, Url, connected
from services.command_line.failures import Failure

if TYPE_CHECKING:
    from trainer_client import SelectorClient

Archive = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        exists=True,
        dir_okay=False,
        metavar="FILE.zip",
        help="Where `bots run archive` has put the first events.",
    ),
]
SUFFIX = ".zip"
EVENTS, TASKS = "events.jsonl", "tasks.jsonl"


def export(
    run: RunName,
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="Where to write.")],
    archive: Archive = None,
    url: Url = "",
    token: Token = None,
) -> None:
    """Write a run's log and its pool's tasks to a file: what `bots replay` needs, without a service.

    The file is a zip of events.jsonl, the log, and tasks.jsonl, the
    tasks with their domains and references in the pool's order. It
    appears when it is complete.

    Example:

        bots run export my-run my-run.zip
        bots run export my-run my-run.zip --archive my-run-until-may.zip
    """
    from services.command_line.output import replacing

    if file.suffix.lower() != SUFFIX:
        raise Failure(f"FILE: got {file.name!r}; its suffix must be {SUFFIX}")
    with connected(url, token) as client, replacing(file) as unfinished:
        events, tasks = write_run(client, run, unfinished, archive)
    typer.echo(f"{file}: {events:,} events, {tasks:,} tasks")


def archived_lines(archive: Path, run: str, count: int | None = None) -> Iterator[bytes]:
    """The lines of the log, one an event, that an archive of a run has; the first `count` of them, if told.

    Raises:
        Failure: it is none, or has fewer.
    """
    try:
        with ZipFile(archive) as file, file.open(EVENTS) as lines:
            for seq, line in enumerate(lines, 1):
                event = json.loads(line)
                if event["seq"] != seq or (seq == 1 and event.get("run", run) != run):
                    raise Failure(f"--archive: {archive} is not of the run {run!r}")
                yield line
                if seq == count:
                    return
    except (OSError, BadZipFile, KeyError, ValueError) as error:
        raise Failure(f"--archive: {archive} is not as `bots run archive` writes it: {error}") from error
    if count is not None:
        raise Failure(f"--archive: {archive} has fewer than the {count} events that {run!r} has let go")


def write_run(client: SelectorClient, run: str, path: Path, first: Path | None = None) -> tuple[int, int]:
    """Write a run, whose `first` events an archive may have, to a file; how many events and tasks there are."""
    from services.command_line.output import moving, progress_bar

    pool = ""

    def events() -> Iterator[tuple[int, dict[str, Any]]]:
        nonlocal pool
        archived = [] if first is None else map(json.loads, archived_lines(first, run))
        last = step = 0
        for event in archived:
            last = event["seq"]
            step += event["type"] == "committed"
            pool = pool or event["config"]["pool"]  # of `created`, the first
            yield last, event
        for event in client.events(run, after=last):
            pool = pool or event["config"]["pool"]
            if first is not None and event["type"] == "committed":
                step += 1
                if event["step"] != step:
                    raise Failure(
                        f"--archive: {first} is of another run of the name {run!r}: step {event['step']} comes "
                        f"behind its {last:,} events, and they have {step - 1}"
                    )
            yield event["seq"], event

    with progress_bar() as bar, ZipFile(path, "w", ZIP_DEFLATED) as archive:
        written = write_rows(archive, EVENTS, moving(bar, "events", events(), None))
        # Behind the events: of the pool there are at least as many tasks as they speak of.
        rows = ((number, task.model_dump()) for number, task in enumerate(client.pool_tasks(pool)))
        return written, write_rows(archive, TASKS, moving(bar, "tasks", rows, None))


def write_rows(archive: ZipFile, name: str, rows: Iterator[dict[str, Any]]) -> int:
    """Write a file of JSON lines into an archive, and tell how many there are."""
    written = 0
    with archive.open(name, "w", force_zip64=True) as file:
        for row in rows:
            file.write(json.dumps(row).encode() + b"\n")
            written += 1
    return written
