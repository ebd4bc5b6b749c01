"""How a command fails: a message on stderr and an exit status, without a traceback."""

from typing import Any

import typer
from typer.core import TyperGroup

MISTAKE = 2
"""Exit status when the command was called wrongly."""
INTERRUPTED = 130
"""Exit status after Ctrl-C."""


class Failure(Exception):
    """Something that the user has to know; `exit_code` is 1 unless the command was called wrongly."""

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


class Commands(TyperGroup):
    """The root of the commands: the one place where a `Failure` is printed."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            typer.secho(f"Error: {failure}", err=True, fg=typer.colors.RED)
            raise typer.Exit(failure.exit_code) from None
