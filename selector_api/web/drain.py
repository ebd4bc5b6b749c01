"""The end of a service that others may be calling: first not ready, then, after a while, not listening."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from types import FrameType

import structlog
import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("selector_api.web")


class Drain:
    """Whether the service is about to end, and for how long it goes on serving.

    Args:
        seconds: from the beginning of the end to when it stops listening.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self._began: float | None = None

    def begin(self) -> None:
        """From now on the service is not ready. Only the first call counts."""
        if self._began is None:
            self._began = time.monotonic()

    @property
    def has_begun(self) -> bool:
        """Whether the service is about to end."""
        return self._began is not None

    @property
    def is_over(self) -> bool:
        """Whether it shall stop listening."""
        return self._began is not None and time.monotonic() - self._began >= self.seconds


class CloseConnections:
    """Ends each connection with its next answer once the drain has begun.

    So its caller makes another one, to a service that stays.
    """

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._drain.has_begun:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, closing)


class DrainingServer(uvicorn.Server):
    """A server that drains at SIGTERM. Ctrl-C, or a second SIGTERM, ends it without waiting.

    `listening` is called with its first socket once it listens.
    """

    def __init__(
        self, config: uvicorn.Config, drain: Drain, listening: Callable[[socket.socket], None]
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._listening = listening
        self._told = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._listening(self.servers[0].sockets[0])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end. Runs in a signal handler, so it does no more than note it."""
        if sig == signal.SIGINT or self._drain.has_begun or self._drain.seconds == 0:
            super().handle_exit(sig, frame)
        self._drain.begin()

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop listening now; asked ten times a second."""
        if self._drain.has_begun and not self._told:
            self._told = True
            log.info("shutting down", drain_seconds=self._drain.seconds)
        return await super().on_tick(counter) or self._drain.is_over
