"""A selector on this machine, as a child process: `bots serve` on a free port, with the embedded Valkey."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from services.command_line.failures import PASSING, Failure
from services.processes import children

START_SECONDS = 60


@contextmanager
def running_service(data_dir: Path, inherited: Sequence[int] = (), module: str = "bots") -> Iterator[str]:
    """Start the service on the data in a folder, give its base URL, and stop it at the end.

    `inherited` are file descriptors that stay open in it; `module` is what it is started by. Raises `Failure`, with
    the service's own words, if it is not ready within a minute.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "service.log"
    # -P: a folder of the user's own named `bots` or `services` is not taken for ours.
    command = [sys.executable, "-P", "-m", module, "serve"]
    command += ["--port", str(port), "--data-dir", str(data_dir)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SELECTOR_")}
    with log.open("wb") as output:
        settings = {"SELECTOR_LOG_LEVEL": "warning"}
        process = children.start(command, output, environment | settings, inherited)
    try:
        _wait_until_ready(process, url, log)
        yield url
    finally:
        children.end([process])


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise Failure(f"the service did not get ready; it said:\n{log.read_text(errors='replace')}", PASSING)
