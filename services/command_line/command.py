"""A module's command line: one function, whose `Failure` becomes a message and an exit status."""

from collections.abc import Callable
from typing import Any

import typer

from services.command_line.failures import printed_failures


def run_command(function: Callable[..., Any], module: str) -> None:
    """Run `function` as the command line of `python -m module`; never returns."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(function)
    with printed_failures():
        app(prog_name=f"python -m {module}")
