"""`bots token`: who may call the service.

The commands work on the store itself, the Redis or the data folder, whether a service runs on it or not.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bots.failures import store_failures
from bots.running_server import check_folder, running_server
from bots.settings import DataDir, RedisUrl, settings_from
from services.command_line.connection import checked_name
from services.command_line.failures import Failure

if TYPE_CHECKING:
    from selector_api.settings import Settings
    from selector_api.store.tokens import Tokens

T = TypeVar("T")

_NOT_FIRST = (
    "there is no token yet, so the service is open. With the first one every call needs a token, and with one of "
    "scope {} alone nobody could create or delete anything: make an admin's first, with `bots token create --name "
    "admin --scope admin`, or add --without-admin"
)

app = typer.Typer(help="Tokens: who may call the service.", no_args_is_help=True)


class Scope(StrEnum):
    """What a token allows; each scope includes those before it."""

    READ = "read"
    TRAIN = "train"
    ADMIN = "admin"


@app.command(no_args_is_help=True)
def create(
    name: Annotated[str, typer.Option(callback=checked_name, help="What to call it, for list and revoke.")],
    scope: Annotated[
        Scope, typer.Option(help="read: look; train: also select and report; admin: also make and delete.")
    ],
    run: Annotated[
        list[str] | None,
        typer.Option(help="Only for this run; NAME* for all that begin so. May be given several times."),
    ] = None,
    pool: Annotated[list[str] | None, typer.Option(help="Only for this pool, in the same way.")] = None,
    from_file: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="Take the token from this file. Several files: several tokens."
        ),
    ] = None,
    without_admin: Annotated[
        bool,
        typer.Option("--without-admin", help="Make it even if no token may create and delete then."),
    ] = False,
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
) -> None:
    """Make a token and print it, the only time that it can be seen.

    From the first token on every call needs one, so the first is an admin's, unless there is --without-admin.

    With --run or --pool it is for these alone: for no other run, no other pool, and not for /metrics.

    With --from-file the token is what a file holds, such as a mounted
    secret. The tokens of these files are then all that have this name:
    one that is in none of them is revoked. It may be called again.

    Example:

        export SELECTOR_TOKEN=$(bots token create --name trainer --scope train --run 'math-*')
    """
    runs, pools = (run or [], pool or []) if run or pool else (["*"], ["*"])
    texts = [_token_in(file) for file in from_file or ()]

    async def work(tokens: Tokens) -> tuple[bool, str | None]:
        is_first = not await tokens.list()
        if is_first and scope is not Scope.ADMIN and not without_admin:
            raise Failure(_NOT_FIRST.format(scope))
        if texts:
            await tokens.put(name, [scope.value], texts, runs, pools)
            return is_first, None
        return is_first, await tokens.create(name, [scope.value], runs, pools)

    is_first, made = _with_tokens(data_dir, redis_url, work, makes=True)
    if is_first:
        typer.echo("It is the first token: from now on every call needs one (probes do not).", err=True)
    if made is None:
        files = " and ".join(str(file) for file in from_file or ())
        typer.echo(f"Token {name!r} with scope {scope.value} is the one in {files}.", err=True)
    else:
        typer.echo(f"Token {name!r} with scope {scope.value}. Keep it, it is not shown again:", err=True)
        typer.echo(made)


@app.command(name="list")
def list_tokens(data_dir: DataDir = None, redis_url: RedisUrl = None) -> None:
    """List the tokens, without their secrets.

    Example:

        bots token list --data-dir bots-data
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("name", "scope", "runs", "pools", "created", box=box.SIMPLE)
    for token in _with_tokens(data_dir, redis_url, lambda tokens: tokens.list()):
        created = datetime.fromtimestamp(token.created, UTC)
        limits = [Text(", ".join(names)) for names in (token.runs, token.pools)]
        scopes = ", ".join(sorted(token.scopes))
        table.add_row(Text(token.name), scopes, *limits, f"{created:%Y-%m-%d %H:%M} UTC")
    Console().print(table)


@app.command(no_args_is_help=True)
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The token's name.")],
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
) -> None:
    """Delete a token: within seconds no service takes it any more.

    Example:

        bots token revoke trainer
    """

    async def work(tokens: Tokens) -> bool:
        if not await tokens.delete(name):
            from selector_api.near_names import hint

            known = [token.name for token in await tokens.list()]
            raise Failure(f"there is no token named {name!r}{hint(name, known)}")
        return await tokens.list() != []

    others = _with_tokens(data_dir, redis_url, work)
    typer.echo(f"token {name!r} is revoked")
    if not others:
        typer.echo(
            "No token is left: a service on a loopback address is open to this machine again.", err=True
        )


def _token_in(file: Path) -> str:
    """The token that a file holds. Raises `Failure` if it could be guessed, or could not be sent."""
    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"--from-file: {file} cannot be read: {error}") from error
    if not re.fullmatch(r"[!-~]{32,256}", text):
        raise Failure(
            f"--from-file: {file} must hold one token of 32 to 256 printable characters without blanks; make one "
            "with `openssl rand -hex 32`"
        )
    return text


def _with_tokens(
    data_dir: DataDir, redis_url: RedisUrl, work: Callable[[Tokens], Awaitable[T]], *, makes: bool = False
) -> T:
    """What `work` makes of the stored tokens; what the store cannot do is a `Failure`.

    A data folder that is not there is made only for what `makes` something.
    """
    settings = settings_from(data_dir=data_dir, redis_url=redis_url)
    if settings.redis_url is None and not makes:
        check_folder(settings.data_dir)

    async def working() -> T:
        async with _stored_tokens(settings) as tokens:
            return await work(tokens)

    with store_failures():
        return asyncio.run(working())


@asynccontextmanager
async def _stored_tokens(settings: Settings) -> AsyncIterator[Tokens]:
    from selector_api.store.connection import connect
    from selector_api.store.tokens import Tokens

    async with running_server(settings) as url, connect(url) as redis:
        yield Tokens(redis)
