"""Servers that a service's Redis URL can point at: a Valkey with users, and one reached by TLS."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from selector_api.store.embedded_valkey import find_binary
from tests.service import free_port

LEAST = (
    "~bots:* -@all +acl|whoami +asking +cluster|slots +config|get +del +eval +evalsha +exists +expire +hdel "
    "+hget +hgetall +hincrby +hlen +hmget +hset +hsetnx +info +lindex +llen +lpop +lpush +lrange +lset +ltrim "
    "+persist +ping +rename +rpush +scan +select +set +time +unlink +zadd +zcard +zrange +zrangebylex "
    "+zrangebyscore +zrem +zscore"
)
"""What docs/how-to/security.md says that the service's user needs."""
LEAST_OF_SENTINELS = "-@all +ping +sentinel|master"
"""The same of its user on sentinels."""


@contextmanager
def valkey_with_user(folder: Path, password: str) -> Iterator[int]:
    """A Valkey that lets in the user `selector` alone; gives its port."""
    port = free_port()
    hashed = sha256(password.encode()).hexdigest()
    users = f"user default off\nuser selector on #{hashed} {LEAST}\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "users.acl").write_text(users)
    options = {
        "port": str(port),
        "pidfile": "valkey.pid",
        "bind": "127.0.0.1",
        "aclfile": "users.acl",
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    with (folder / "valkey.log").open("wb") as log:
        process = subprocess.Popen([str(find_binary()), *arguments], cwd=folder, stdout=log, stderr=log)
    try:
        _wait_until_it_listens(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        else:
            return


def certificate(folder: Path, names: str = "DNS:localhost") -> tuple[Path, Path]:
    """A certificate of these names, signed by itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is needed to make a certificate")
    folder.mkdir(parents=True, exist_ok=True)
    made, key = folder / "certificate.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", f"subjectAltName={names}"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    return made, key


@contextmanager
def tls_before(port: int, made: Path, key: Path) -> Iterator[int]:
    """Speaks TLS for the server at `port`, which cannot; gives its own port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    with listening(forward, context=context) as own:
        yield own


@contextmanager
def listening(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    *,
    port: int = 0,
    context: ssl.SSLContext | None = None,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> Iterator[int]:
    """A server in a thread of its own, as long as the block runs; gives its port.

    Args:
        handle: serves one connection.
        port: to listen on; 0: a free one.
        context: makes it speak TLS.
        beside: runs in the same loop.
    """
    loop = asyncio.new_event_loop()
    stopping, ready = asyncio.Event(), threading.Event()
    ports: list[int] = []

    async def run() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", port, ssl=context)
        ports.append(server.sockets[0].getsockname()[1])
        task = asyncio.create_task(beside()) if beside else None  # kept, since the loop does not
        ready.set()
        await stopping.wait()
        server.close()
        await _end_other_tasks()
        await end_connections()
        del task

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    ready.wait()
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, until there is no more; then say so."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def _end_other_tasks() -> None:
    """Cancel every other task of this loop and wait for it."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def end_connections() -> None:
    """End all of this loop; by TLS one waits else, behind its end, for the other side's last word."""
    loop: Any = asyncio.get_running_loop()
    for transport in list(loop._transports.values()):
        transport.abort()
    await asyncio.sleep(0)
