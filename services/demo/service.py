"""The selector as a child process: `bots serve` on a free port, with the embedded Valkey."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

START_SECONDS = 60


@contextmanager
def running_service(data_dir: Path) -> Iterator[str]:
    """Start the service, give its base URL, and stop it at the end.

    Raises RuntimeError, with the service's own words, if it is not ready within a minute.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = data_dir / "service.log"
    command = [
        sys.executable,
        "-m",
        "selector_api.cli",
        "serve",
        "--port",
        str(port),
        "--data-dir",
        str(data_dir),
    ]
    settings = {"SELECTOR_LOG_LEVEL": "warning"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SELECTOR_")}
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, env=environment | settings, stdout=output, stderr=output
        )
    try:
        _wait_until_ready(process, url, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the service did not get ready; it said:\n{log.read_text(errors='replace')}")
