"""Stands for a Kubernetes Service: hands each new connection to a replica whose /readyz says yes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.servers import listening, pump
from tests.service import free_port

_PROBE_SECONDS = 0.3
_READY = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Balancer:
    """A TCP proxy in a thread of its own. It neither reads nor repeats what goes through it."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ready: list[int] = []
        """Ports of the replicas that get new connections."""
        self.looks = True
        """Whether it goes on finding out which replicas are ready."""
        self._ports = ports
        self._turn = itertools.count()

    @contextmanager
    def running(self) -> Iterator[Balancer]:
        """Listen, as long as the block runs."""
        with listening(self._forward, port=self.port, beside=self._probe):
            yield self

    async def _probe(self) -> None:
        while True:
            ready = [port for port in self._ports if await _is_ready(port)]
            if self.looks:  # also now that it knows: it may have been told meanwhile
                self.ready = ready
            await asyncio.sleep(_PROBE_SECONDS)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            ready = self.ready
            port = ready[next(self._turn) % len(ready)]
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))
        finally:
            writer.close()


async def _is_ready(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(_READY)
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
