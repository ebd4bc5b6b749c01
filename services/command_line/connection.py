"""Calls to the service: the options of every command that makes some, and a client whose refusals are failures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.command_line.failures import MISTAKE, PASSING, Failure
from services.command_line.refusals import refusal

if TYPE_CHECKING:
    from trainer_client import SelectorClient


def checked_name(value: str | None) -> str | None:
    """The name of a pool or run, or None if the option was not given."""
    if value is not None and not 1 <= len(value) <= 256:
        raise typer.BadParameter(f"got {len(value)} characters, a name has 1 to 256")
    return value


def _url(value: str) -> str:
    """The address that was given, else the environment's, else the one that a service has by itself."""
    if value:
        return value
    file = os.environ.get("SELECTOR_URL_FILE")
    if not file:
        return DEFAULT_URL
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"SELECTOR_URL_FILE: {file} cannot be read: {error}") from error


DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="SELECTOR_URL",
        callback=_url,
        show_default=f"the content of SELECTOR_URL_FILE, else {DEFAULT_URL}",
        help="Where the service is.",
    ),
]
Token = Annotated[
    str | None, typer.Option("--token", envvar="SELECTOR_TOKEN", help="Bearer token of the service.")
]
RunName = Annotated[str, typer.Argument(metavar="RUN", callback=checked_name, help="Name of the run.")]
PoolName = Annotated[str, typer.Argument(metavar="POOL", callback=checked_name, help="Name of the pool.")]


class Unreachable(Failure):
    """No service answers."""

    def __init__(self, message: str):
        super().__init__(message, PASSING)


@contextmanager
def connected(
    url: str | None, token: str | None = None, *, section: str | None = None, max_retries: int = 4
) -> Iterator[SelectorClient]:
    """A client of the service at `url`; inside, what the client cannot do is a `Failure`.

    Args:
        url: Where the service is; None: where the environment says.
        token: Its bearer token; None: the environment's, SELECTOR_TOKEN.
        section: The section of a configuration that names the service, for messages; None: the command's options.
        max_retries: How often a call is tried again.

    Raises:
        Unreachable: No service answers; every other `Failure` is a refusal, or a URL that is none.
    """
    from trainer_client import ApiError, SelectorUnavailable, Unauthorized

    with open_client(url, section, token=token, max_retries=max_retries) as client:
        try:
            yield client
        except ApiError as error:
            words = refusal(error)
            # A token that is not known may be one that the service has not been told of yet.
            status = PASSING if isinstance(error, Unauthorized) else MISTAKE
            raise Failure(f"{section}: {words}" if section else words, status) from error
        except SelectorUnavailable as error:
            field = f"{section}.url: " if section else ""
            where = url or "the address of SELECTOR_URL or SELECTOR_URL_FILE"
            if error.code:
                what, cure = f"the service at {where} cannot answer", ""
            else:
                what = f"no service at {where}"
                cure = (
                    ""
                    if section
                    else "; start one (`bots serve`), or say by --url or SELECTOR_URL where it is"
                )
            raise Unreachable(f"{field}{what}: {error}{cure}") from error


def open_client(url: str | None, section: str | None, **options: Any) -> SelectorClient:
    """A client with these options. Raises `Failure` if the URL is none; for `section` see `connected`."""
    from trainer_client import SelectorClient

    try:
        return SelectorClient(url, **options)
    except ValueError as error:
        field = f"{section}.url" if section else "--url (or SELECTOR_URL)"
        raise Failure(f"{field}: {error}") from error
