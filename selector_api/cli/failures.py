"""How a command fails: a message on stderr and an exit status, without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def store_failures() -> Iterator[None]:
    """Inside, what the store cannot do is a `Failure`."""
    from redis.exceptions import RedisError

    from selector_api.store.errors import StoreError

    try:
        yield
    except (StoreError, OSError) as error:
        raise Failure(str(error)) from error
    except RedisError as error:
        raise Failure(f"Redis refuses: {error}") from error


class Commands(TyperGroup):
    """The root of the commands: the one place where a `Failure` is printed."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            typer.secho(f"Error: {failure}", err=True, fg=typer.colors.RED)
            raise typer.Exit(failure.exit_code) from None
