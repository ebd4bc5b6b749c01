"""A real service: `bots serve` in a process of its own, on a free port of the loopback interface."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

START_SECONDS = 300.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """One `bots serve`, with the embedded Valkey in `data_dir`, or on the Redis at `redis_url`.

    `environment` holds further variables; `under` names a program that starts it, `module` one of Python that
    stands for `bots`.
    """

    def __init__(
        self,
        data_dir: Path,
        redis_url: str | None = None,
        environment: Mapping[str, str] | None = None,
        under: str | None = None,
        module: str | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._redis_url = redis_url
        self._under = under
        self._module = module
        self._environment = {"SELECTOR_LOG_LEVEL": "warning"} | dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def redis_url(self) -> str:
        """Where the embedded Valkey listens, or what stands for it."""
        return self._redis_url or f"unix://{self.data_dir / 'valkey.sock'}"

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Service:
        """Start and return when the service is ready."""
        command = [
            str(Path(sys.executable).with_name(program)) for program in (self._under, "bots") if program
        ]
        if self._module is not None:
            command = [sys.executable, "-m", self._module]
        command += ["serve", "--port", str(self.port)]
        command += ["--data-dir", str(self.data_dir)]
        if self._redis_url is not None:
            command += ["--redis-url", self._redis_url]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SELECTOR_")}
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / f"service-{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment | self._environment, stdout=log, stderr=log
            )
        self.wait_until_ready()
        return self

    def __enter__(self) -> Service:
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Leave no process behind, however the test ended."""
        self.kill()

    def wait_until_ready(self) -> None:
        """Poll /readyz; fails with the service's log if it ends or never gets ready."""
        deadline = time.monotonic() + START_SECONDS
        with httpx.Client(verify=False, timeout=5.0) as http:  # to read certificates takes 25 ms
            while True:
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the service is not ready:\n{self.log()}")
                try:
                    if http.get(f"{self.url}/readyz").status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.02)

    def log(self) -> str:
        """What the service wrote to its log."""
        return (self.data_dir / f"service-{self.port}.log").read_text(errors="replace")

    def stop(self) -> int:
        """End it as an operator would, and give its exit code."""
        return self._end(signal.SIGTERM)

    def ask_to_end(self) -> None:
        """Send SIGTERM, and do not wait."""
        assert self._process is not None
        self._process.terminate()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int | None:
        """Its exit code, if it ends by itself within so many seconds."""
        assert self._process is not None
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> int:
        """End it as a crash would."""
        return self._end(signal.SIGKILL)

    def kill_valkey(self) -> None:
        """Crash the embedded Valkey, which the service then starts again."""
        os.kill(int((self.data_dir / "valkey.pid").read_text()), signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        return process.wait(timeout=60)
