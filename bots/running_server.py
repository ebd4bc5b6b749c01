"""The Redis of the settings, for commands that work on it beside a service or without one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from services.command_line.failures import Failure

if TYPE_CHECKING:
    from selector_api.settings import Settings


@asynccontextmanager
async def running_server(settings: Settings) -> AsyncIterator[str]:
    """The URL of the Redis, of the Valkey that a service runs in the data folder, or of one run here."""
    from selector_api.store.embedded_valkey import EmbeddedValkey
    from selector_api.store.errors import DataFolderInUse

    if settings.redis_url is not None:
        yield settings.redis_url.get_secret_value()
        return
    embedded = EmbeddedValkey(settings.data_dir, settings.appendfsync)
    try:
        await embedded.start()
    except DataFolderInUse as error:
        if error.url is None:
            raise
        yield error.url
        return
    try:
        yield embedded.url
    finally:
        await embedded.stop()


def check_folder(folder: Path) -> None:
    """Refuse a folder in which no service has kept data: a misspelt one must not become one."""
    from selector_api.near_names import hint
    from selector_api.store.embedded_valkey import holds_data

    if holds_data(folder):
        return
    beside = folder.absolute().parent
    others = [each.name for each in beside.iterdir() if holds_data(each)] if beside.is_dir() else []
    there_is = "has no data of a service in it" if folder.is_dir() else "is not there"
    raise Failure(f"--data-dir: the folder {folder} {there_is}{hint(folder.name, others)}")
