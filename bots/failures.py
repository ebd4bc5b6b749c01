"""Failures of the store, and the one place where a failure of any command is printed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from services.command_line.failures import Failure


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
