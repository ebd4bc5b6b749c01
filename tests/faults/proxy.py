"""A network that can be told to fail: what stands between workers and services, and between services and Redis."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

Fault: TypeAlias = Literal["cut", "delay", "duplicate", "half-open"]
FAULTS: tuple[Fault, ...] = ("cut", "delay", "duplicate", "half-open")

_DELAY_SECONDS = 0.2
_HALF_OPEN_SECONDS = 0.4
_COPIED_SECONDS = 0.05


class Line:
    """A connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, upstream: asyncio.StreamWriter, port: int) -> None:
        self._client, self._upstream, self._port = client, upstream, port
        self._delayed = self._silent = False
        self._copied: list[bytes] | None = None

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes, as far as nothing is wrong with the line."""
        try:
            while data := await reader.read(65536):
                if self._copied is not None and writer is self._upstream:
                    self._copied.append(data)
                if self._delayed:
                    await asyncio.sleep(_DELAY_SECONDS)
                    self._delayed = False
                if self._silent and writer is self._client:
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            self._client.close()
            self._upstream.close()

    async def suffer(self, fault: Fault) -> None:
        """Have a fault."""
        match fault:
            case "cut":
                self._client.transport.abort()
                self._upstream.transport.abort()
            case "delay":
                self._delayed = True
            case "half-open":  # requests arrive, and no reply does
                self._silent = True
                await asyncio.sleep(_HALF_OPEN_SECONDS)
                self._client.transport.abort()
            case "duplicate":  # what is sent arrives a second time, a little later
                self._copied = []
                await asyncio.sleep(_COPIED_SECONDS)
                copied, self._copied = self._copied or [], None
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                    writer.write(b"".join(copied))
                    await writer.drain()
                    await asyncio.sleep(_COPIED_SECONDS)
                    writer.close()
                except OSError:
                    pass


class FaultProxy:
    """A port that leads to another one, which may change; connections stay where they are.

    Args:
        upstream: gives the port for each new connection.
    """

    def __init__(self, upstream: Callable[[], int]) -> None:
        self.port = 0
        self._upstream = upstream
        self._lines: set[Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop

    def inject(self, fault: Fault, rng: random.Random) -> bool:
        """Let one of the connections have a fault; whether there was one."""
        lines = list(self._lines)
        if not lines:
            return False
        self._loop.call_soon_threadsafe(self._begin, rng.choice(lines), fault)
        return True

    def _begin(self, line: Line, fault: Fault) -> None:
        task = self._loop.create_task(line.suffer(fault))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self._upstream()
        try:
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        line = Line(writer, upstream, port)
        self._lines.add(line)
        try:
            await asyncio.gather(line.pump(reader, upstream), line.pump(upstream_reader, writer))
        finally:
            self._lines.discard(line)

    @contextmanager
    def running(self) -> Iterator[FaultProxy]:
        """Listen, in a thread of its own, as long as the block runs."""
        self._loop = asyncio.new_event_loop()
        ready, stopping = threading.Event(), asyncio.Event()

        async def run() -> None:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await stopping.wait()
            server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        thread = threading.Thread(target=lambda: self._loop.run_until_complete(run()))
        thread.start()
        ready.wait()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(stopping.set)
            thread.join()
            self._loop.close()
