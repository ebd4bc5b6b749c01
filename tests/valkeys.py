"""Valkeys of a test's own, that replicate each other, are stopped, crash and fail over."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import redis

from selector_api.store.embedded_valkey import find_binary
from tests.service import free_port

START_SECONDS = 60.0


class Valkey:
    """A Valkey on a port and a socket, which nobody starts again but `start`.

    Args:
        folder: where its data are.
        options: of its configuration, beside those that the service's embedded one has.
    """

    def __init__(self, folder: Path, **options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.socket = folder / "socket"
        self.admin = redis.Redis(port=self.port, protocol=2, socket_timeout=10)
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Valkey:
        """Start, and return when it has loaded its data."""
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": "socket",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "repl-diskless-sync-delay": "0",
        } | {name.replace("_", "-"): value for name, value in self._options.items()}
        arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(find_binary()), *arguments], cwd=self.folder, stdout=log, stderr=log
            )
        self.until("it answers", lambda: self.admin.ping())
        return self

    def __enter__(self) -> Valkey:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.admin.close()
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self.crash()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def crash(self) -> None:
        """End it at once."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(timeout=60)

    def follow(self, primary: Valkey) -> None:
        """Be a replica of another one, and return when it has what that has."""
        self.admin.replicaof("127.0.0.1", primary.port)
        self.until("it follows", lambda: self.info()["master_link_status"] == "up")

    def promote(self) -> None:
        """Be a primary."""
        self.admin.replicaof("NO", "ONE")

    def info(self) -> dict[str, Any]:
        """What it says of its replication."""
        return self.admin.info("replication")  # type: ignore[return-value]

    def until(self, what: str, holds: Any) -> None:
        """Wait for something."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if holds():
                    return
            except redis.RedisError:
                pass
            assert time.monotonic() < deadline, f"{what}: not within {START_SECONDS:g} s\n{self.log()}"
            time.sleep(0.01)

    def log(self) -> str:
        """What it wrote to its log."""
        return (self.folder / "valkey.log").read_text(errors="replace")


class Address:
    """A socket's address that leads to one Valkey after the other; connections stay where they are."""

    def __init__(self, path: Path, valkey: Valkey) -> None:
        self._path = path
        self.lead_to(valkey)

    @property
    def url(self) -> str:
        """The address."""
        return f"unix://{self._path}"

    def lead_to(self, valkey: Valkey) -> None:
        """New connections come to this one."""
        new = self._path.with_suffix(".new")
        new.symlink_to(valkey.socket)
        new.rename(self._path)
