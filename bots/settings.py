"""The service's settings, from options and the environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.command_line.failures import Failure, needing_extra

if TYPE_CHECKING:
    from selector_api.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option(file_okay=False, show_default="bots-data", help="Folder of the embedded Valkey."),
]
RedisUrl = Annotated[
    str | None,
    typer.Option(
        help="Redis >= 7.0 or Valkey >= 7.2 instead of the embedded one: redis://…, unix:///…, redis+cluster://…, "
        "redis+sentinel://…"
    ),
]


def settings_from(**options: Any) -> Settings:
    """The settings from the environment, overridden by those options that are not None.

    Raises `Failure` if one of them cannot be used.
    """
    with needing_extra("server"):
        from pydantic import ValidationError
        from pydantic_settings import SettingsError

        from selector_api.settings import Settings
        from services.command_line.mistakes import words

    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        # The value is left out: a URL may hold a password.
        problems = [f"{_origin(str(each['loc'][0]), given)}: {words(each)}" for each in error.errors()]
        raise Failure("; ".join(problems)) from error
    except SettingsError as error:
        raise Failure(str(error)) from error


def _origin(name: str, given: dict[str, Any]) -> str:
    return f"--{name.replace('_', '-')}" if name in given else f"SELECTOR_{name.upper()}"
