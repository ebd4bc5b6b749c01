"""Running the service: uvicorn, logging, and a clean end."""

from __future__ import annotations

import logging
import sys

import structlog
import uvicorn

from selector_api.settings import Settings
from selector_api.web.app import create_app

_KEEP_ALIVE_SECONDS = 75
"""Longer than the clients' 30 s, so that it is never the server that closes a connection about to be used."""
_SHUTDOWN_SECONDS = 20


def configure_logging(settings: Settings) -> None:
    """One line an event on standard error, as JSON or for people."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.log_format == "json":
        shared.append(structlog.processors.format_exc_info)
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
    logging.getLogger("uvicorn.error").setLevel(level)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is at work.

    Raises:
        StoreError: Redis cannot be used.
        UnsafeBinding: the host can be reached from elsewhere and there is no token.
        OSError: the address is taken.
    """
    configure_logging(settings)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    uvicorn.Server(config).run()
