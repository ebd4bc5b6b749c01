"""`bots events`: a run's log."""

import json
from pathlib import Path
from typing import Annotated

import typer

from services.command_line.connection import RunName, Token, Url, connected

app = typer.Typer(help="Events: a run's log.", no_args_is_help=True)


@app.command(no_args_is_help=True)
def export(
    run: RunName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write, one JSON object a line.")],
    url: Url = "",
    token: Token = None,
) -> None:
    """Write a run's whole log to a file, which appears when it is complete.

    Example:

        bots events export my-run events.jsonl
    """
    from services.command_line.output import moving, progress_bar, replacing

    written = 0
    with (
        connected(url, token) as client,
        progress_bar() as bar,
        replacing(file) as unfinished,
        unfinished.open("w", encoding="utf-8") as lines,
    ):
        for event in moving(bar, "events", enumerate(client.events(run)), None):
            lines.write(json.dumps(event) + "\n")
            written += 1
    typer.echo(f"{file}: {written:,} event{'' if written == 1 else 's'}")
