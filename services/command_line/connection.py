"""What every command that calls the service has in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from services.command_line.failures import MISTAKE, Failure

if TYPE_CHECKING:
    from trainer_client import SelectorClient


def checked_name(value: str | None) -> str | None:
    """The name of a pool or run, or None if the option was not given."""
    if value is not None and not 1 <= len(value) <= 256:
        raise typer.BadParameter(f"got {len(value)} characters, a name has 1 to 256")
    return value


Url = Annotated[str, typer.Option("--url", help="Where the service is.")]
Token = Annotated[
    str | None, typer.Option("--token", envvar="SELECTOR_TOKEN", help="Bearer token of the service.")
]
RunName = Annotated[str, typer.Argument(metavar="RUN", callback=checked_name, help="Name of the run.")]

DEFAULT_URL = "http://127.0.0.1:8000"


@contextmanager
def service(url: str, token: str | None, *, max_retries: int = 4) -> Iterator[SelectorClient]:
    """A client of the service at `url`; inside, what the client cannot do is a `Failure`."""
    from trainer_client import ApiError, SelectorClient, SelectorUnavailable

    try:
        client = SelectorClient(url, token=token, max_retries=max_retries)
    except ValueError as error:
        raise Failure(f"--url: {error}", MISTAKE) from error
    with client:
        try:
            yield client
        except ApiError as error:
            raise Failure(str(error)) from error
        except SelectorUnavailable as error:
            raise Failure(f"no service at {url}: {error}") from error
