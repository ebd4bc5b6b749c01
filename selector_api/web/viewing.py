"""Looking at runs that are over: the page and the calls that read, on this machine, over a store for once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.loops.auto import auto_loop_factory

from selector_api.settings import Settings
from selector_api.store.connection import check_server
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.keys import TOKENS
from selector_api.store.store import Store, open_store
from selector_api.web.app import create_app
from selector_api.web.drain import Drain, DrainingServer
from selector_api.web.problems import METHOD_NOT_ALLOWED, Problem
from selector_api.web.serve import configure_logging, outlive_signals, server_config
from selector_api.web.welcome import address_of


class ReadOnly:
    """Refuses every request that is not for reading."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            problem = Problem(METHOD_NOT_ALLOWED, "method: what is looked at here does not change")
            problem.headers = {"Allow": "GET, HEAD"}
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)


def view(
    folder: Path, port: int, fill: Callable[[Store], Awaitable[None]], listening: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C what is in a data folder once `fill` has put into its store what is to be seen.

    Args:
        folder: of the embedded Valkey; what is written there is nobody's.
        port: on loopback, 0 for a free one.
        fill: fills the store.
        listening: is told the page's address.

    Raises:
        StoreError: the store cannot be used.
        UnusableAddress: the port is taken.
    """
    settings = Settings(
        host="127.0.0.1",
        port=port,
        data_dir=folder,
        redis_url=None,
        log_level="error",
        allowed_hosts=None,
        require_token=False,
    )
    configure_logging(settings)
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(_view(settings, fill, listening))


async def _view(
    settings: Settings, fill: Callable[[Store], Awaitable[None]], listening: Callable[[str], None]
) -> None:
    async with AsyncExitStack() as stack:
        valkey = await stack.enter_async_context(EmbeddedValkey(settings.data_dir, "everysec"))
        store = await stack.enter_async_context(open_store(valkey.url))
        await check_server(store.redis)
        await store.redis.execute_command("DEL", TOKENS)  # who can read the folder may see what is in it
        await fill(store)
        outlive_signals()
        drain = Drain(0.0)
        app = ReadOnly(create_app(settings, store, drain))
        server = DrainingServer(
            server_config(app, settings), drain, lambda socket: listening(address_of(socket))
        )
        await server.serve()
