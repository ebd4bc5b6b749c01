"""Running the service: uvicorn, logging, and a clean end."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
import traceback
from contextlib import AsyncExitStack
from typing import TextIO

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.loops.auto import auto_loop_factory

from selector_api.settings import Settings
from selector_api.store.connection import check_server
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.errors import DataFolderInUse
from selector_api.store.store import open_store
from selector_api.store.tokens import Tokens
from selector_api.web.address import check_address
from selector_api.web.app import create_app
from selector_api.web.auth import refuse_unsafe
from selector_api.web.drain import Drain, DrainingServer
from selector_api.web.http_protocol import GuardedProtocol
from selector_api.web.welcome import address_of, announce

_KEEP_ALIVE_SECONDS = 75
"""Longer than the clients' 30 s, so that it is never the server that closes a connection about to be used."""
_SHUTDOWN_SECONDS = 20


def configure_logging(settings: Settings) -> None:
    """One line an event on standard error, as JSON or for people."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_plain_traceback)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    shared.append(structlog.processors.format_exc_info if settings.log_format == "json" else _escape)
    level = getattr(logging, settings.log_level.upper())
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("selector_api").setLevel(level)


def _escape(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape what cannot be printed: a run's name may hold anything, and must not look like another line."""
    return {name: _printable(value) if isinstance(value, str) else value for name, value in event.items()}


def _plain_traceback(stream: TextIO, error: structlog.typing.ExcInfo) -> None:
    """Write a traceback without local variables, which hold tokens.

    It is indented, so that no line of it looks like one of the log.
    """
    lines = "".join(traceback.format_exception(*error)).rstrip("\n").split("\n")
    stream.write("".join(f"\n  {_printable(line)}" for line in lines))


def _printable(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain, finish what is at work and close the store.

    Raises:
        StoreError: Redis cannot be used.
        UnusableAddress: the service cannot listen there.
        UnsafeBinding: the host can be reached from elsewhere and there is no token.
        SystemExit: the address was taken just now.
    """
    configure_logging(settings)
    check_address(settings)
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(_serve(settings))


def outlive_signals() -> None:
    """Let the process go on after the signal that stops uvicorn, which raises it once more at its end.

    The store is still to be closed then.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How an application is served."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=GuardedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )


async def _serve(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        valkey = None
        if settings.redis_url is None:
            valkey = await stack.enter_async_context(EmbeddedValkey(settings.data_dir, settings.appendfsync))
            url = valkey.url
        else:
            url = settings.redis_url.get_secret_value()
        store = await stack.enter_async_context(
            open_store(url, settings.snapshot_every, horizon_days=settings.horizon_days)
        )
        await check_server(store.redis)
        await refuse_unsafe(settings, store.tokens)
        drain = Drain(settings.drain_seconds)
        config = server_config(create_app(settings, store, drain), settings)
        outlive_signals()
        # What is there now stays: the collector need not look at it again, which would take 0.1 s each time.
        gc.freeze()
        is_open = not await Tokens(
            store.redis
        ).any()  # by itself: calls must not go by what was true before them

        def listening(listener: socket.socket) -> None:
            address = address_of(listener)
            if valkey:
                valkey.serves(address)
            announce(settings, address, is_open=is_open)

        server = DrainingServer(config, drain, listening)
        if valkey is None:
            await server.serve()
            return
        ending = asyncio.create_task(_end_when_lost(valkey, server))
        try:
            await server.serve()
        finally:
            ending.cancel()
        if valkey.lost.is_set():
            raise DataFolderInUse("another service has taken over the data folder", None)


async def _end_when_lost(valkey: EmbeddedValkey, server: DrainingServer) -> None:
    await valkey.lost.wait()
    server.should_exit = True
