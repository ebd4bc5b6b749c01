"""`bots serve`: the service."""

from pathlib import Path
from typing import Annotated

import typer

from bots.failures import store_failures
from bots.settings import DataDir, RedisUrl, settings_from
from services.command_line.failures import PASSING, Failure


def serve(
    host: Annotated[str | None, typer.Option(show_default="127.0.0.1", help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(show_default="8000", help="Port to listen on; 0: a free one.")
    ] = None,
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
    announce: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Write its address there once it listens, for SELECTOR_URL_FILE.",
        ),
    ] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, with an embedded Valkey unless there is a Redis URL.

    What is not given here is read from the environment: SELECTOR_PORT
    and so on.

    Example:

        bots serve --port 8000 --data-dir bots-data
    """
    settings = settings_from(host=host, port=port, data_dir=data_dir, redis_url=redis_url, announce=announce)

    from selector_api.web import serve as web
    from selector_api.web.address import UnusableAddress
    from selector_api.web.auth import UnsafeBinding

    try:
        with store_failures():
            web.serve(settings)
    except (UnsafeBinding, UnusableAddress) as error:
        raise Failure(str(error), PASSING) from error
    except SystemExit as end:  # uvicorn has logged why
        raise Failure("the service could not start", PASSING) from end
