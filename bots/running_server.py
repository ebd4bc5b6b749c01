"""The Redis of the settings, for commands that work on it beside a service or without one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

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
