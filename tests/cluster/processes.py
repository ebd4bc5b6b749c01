"""Servers on loopback: of the binary that the embedded Valkey is, or of another (BOTS_TEST_REDIS_SERVER)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from selector_api.child_processes import ending_with_this
from selector_api.store.embedded_valkey import find_binary
from tests.service import free_port

PATIENCE_SECONDS = 60.0
_COMMON = {
    "bind": "127.0.0.1",
    "protected-mode": "no",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    "repl-diskless-sync-delay": "0",
    "loglevel": "notice",
}


def until(holds: Callable[[], Any], what: str) -> Any:
    """Wait until something holds, and give it; a server that does not answer yet is waited for."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    trouble: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if found := holds():
                return found
        except RedisError as error:
            trouble = error
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {PATIENCE_SECONDS:.0f} s ({trouble})")


def binary() -> str:
    return os.environ.get("BOTS_TEST_REDIS_SERVER") or str(find_binary())


@cache
def binary_with_tls() -> str:
    """A server that speaks TLS, which the embedded one need not."""
    there = [binary(), *filter(None, map(shutil.which, ("redis-server", "valkey-server")))]
    for each in there:
        tried = subprocess.run(
            [each, "--port", "0", "--tls-port", "1"], capture_output=True, text=True, timeout=60, check=False
        )
        if "tls-cert-file" in tried.stdout:  # it asks for a certificate
            return each
    pytest.skip(f"none of {there} speaks TLS: install redis-server, or name one by BOTS_TEST_REDIS_SERVER")


@dataclass(frozen=True)
class Tls:
    """How servers speak TLS alone, to each other too."""

    certificate: Path
    """Which all have, and which is its own authority."""
    key: Path

    def options(self, port: int) -> dict[str, str]:
        """A server's."""
        return {
            "port": "0",
            "tls-port": str(port),
            "tls-cert-file": str(self.certificate),
            "tls-key-file": str(self.key),
            "tls-ca-cert-file": str(self.certificate),
            "tls-auth-clients": "no",
            "tls-replication": "yes",
        }


class Server:
    """One server, which can be killed, stopped for a while and started again on its data."""

    def __init__(
        self, folder: Path, options: dict[str, str], first: tuple[str, ...] = (), tls: Tls | None = None
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self._binary = binary() if tls is None else binary_with_tls()
        if tls is None:
            self.client = Redis(port=self.port, socket_timeout=5)
            self._options = {"port": str(self.port), **options}
        else:
            self.client = Redis(port=self.port, socket_timeout=5, ssl=True, ssl_ca_certs=str(tls.certificate))
            self._options = tls.options(self.port) | options
        self._first = first
        self._process: subprocess.Popen[bytes] | None = None

    def replicate(self, host: str, port: int) -> None:
        """Start as a replica of this one."""
        self._options["replicaof"] = f"{host} {port}"

    def start(self) -> Server:
        self.folder.mkdir(parents=True, exist_ok=True)
        options = [text for name, value in self._options.items() for text in (f"--{name}", value)]
        command = ending_with_this([self._binary, *self._first, *options])
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        until(self._answers, f"a server on port {self.port}")
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()[-1000:]
        return bool(self.client.ping())

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.client.close()

    def info(self, section: str) -> dict[str, Any]:
        return self.client.info(section)  # pyright: ignore[reportReturnType]

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")


def data_server(folder: Path, tls: Tls | None = None, **options: str) -> Server:
    """A server that keeps data; `_` in the names of options is `-`."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    return Server(folder, _COMMON | named, tls=tls)
