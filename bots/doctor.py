"""`bots doctor`: whether what the service stands on is as it should be, a line each."""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from bots import doctor_kubernetes
from bots.running_server import running_server
from bots.settings import DataDir, RedisUrl, settings_from
from services.command_line.failures import PASSING, needing_extra

if TYPE_CHECKING:
    from selector_api.settings import Settings
    from selector_api.store.health import Finding


def doctor(
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
    kubernetes: Annotated[
        bool,
        typer.Option("--kubernetes", help="Look at the cluster that kubectl reaches instead."),
    ] = False,
) -> None:
    """Look at Redis or the data folder, their settings, clock, versions, disk and tokens.

    Ends with 1 if something is wrong. What only you can judge is a note.

    Example:

        bots doctor --data-dir bots-data
    """
    with needing_extra("server"):
        from selector_api.store.health import Finding
    logging.disable()  # what is to be said is a finding
    wrong = 0

    def tell(finding: Finding) -> None:
        nonlocal wrong
        wrong += finding.verdict == "wrong"
        typer.echo(f"{finding.verdict:<7}{finding.words}")

    async def examine() -> None:
        async for finding in _findings(settings_from(data_dir=data_dir, redis_url=redis_url)):
            tell(finding)

    tell(Finding("ok", f"bots-selector {version('bots-selector')}, Python {platform.python_version()}"))
    if kubernetes:
        for finding in doctor_kubernetes.findings():
            tell(finding)
    else:
        asyncio.run(examine())
    if wrong:
        typer.echo(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong", err=True)
        raise typer.Exit(PASSING)


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    from selector_api.store.connection import connect
    from selector_api.store.embedded_valkey import holds_data
    from selector_api.store.errors import StoreError
    from selector_api.store.health import Finding, of_folder, of_server

    if settings.redis_url is None:
        if not holds_data(settings.data_dir):
            yield Finding("note", f"there are no data in {settings.data_dir}: `bots serve` makes them")
            return
        for finding in of_folder(settings.data_dir):
            yield finding
    try:
        async with running_server(settings) as url, connect(url) as redis:
            async for finding in of_server(redis, is_embedded=settings.redis_url is None):
                yield finding
    except (StoreError, OSError) as error:
        yield Finding("wrong", str(error))
