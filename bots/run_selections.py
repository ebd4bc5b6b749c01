"""The commands of `bots run` about its selections and its course."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from services.command_line.connection import RunName, Token, Url, connected


class Status(StrEnum):
    """What a selection may be."""

    OPEN = "open"
    COMMITTED = "committed"
    RELEASED = "released"


SelectionName = Annotated[str, typer.Argument(metavar="SELECTION", help="Id of the selection.")]


def selections(
    run: RunName,
    status: Annotated[Status | None, typer.Option(help="Only those that are this.")] = None,
    url: Url = "",
    token: Token = None,
) -> None:
    """List a run's selections: the key, how many tasks, and until when they are leased.

    Example:

        bots run selections my-run --status open
    """
    from rich.console import Console

    from bots.tables import table_of

    with connected(url, token) as client:
        rows = [
            {**selection.model_dump(), "tasks": len(selection.tasks)}
            for selection in client.selections(status, run)
        ]
    Console().print(table_of(["selection", "status", "key", "step", "tasks", "expires_at"], rows))


def renew(
    run: RunName,
    selection: SelectionName,
    seconds: Annotated[float, typer.Option(help="How long from now on.")],
    url: Url = "",
    token: Token = None,
) -> None:
    """Keep the tasks of an open selection leased for longer.

    Example:

        bots run renew my-run s12-0f3a9c41 --seconds 7200
    """
    from trainer_client import Selection

    with connected(url, token) as client:
        renewed = client.renew(Selection(selection=selection, run=run, step=0, tasks=[]), seconds)
    typer.echo(f"selection {selection!r} is leased until {renewed.expires_at:%Y-%m-%d %H:%M:%S} UTC")


def release(run: RunName, selection: SelectionName, url: Url = "", token: Token = None) -> None:
    """Give an open selection back: its tasks can be drawn again.

    Example:

        bots run release my-run s12-0f3a9c41
    """
    from trainer_client import Selection

    with connected(url, token) as client:
        client.release(Selection(selection=selection, run=run, step=0, tasks=[]))
    typer.echo(f"selection {selection!r} is released")


def history(
    run: RunName,
    points: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    url: Url = "",
    token: Token = None,
) -> None:
    """Print a run's course, a JSON object a point.

    Example:

        bots run history my-run --points 100
    """
    with connected(url, token) as client:
        course = client.history(run, points=points)
    for point in course.points:
        typer.echo(json.dumps(point))
