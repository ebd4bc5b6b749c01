"""What docker-compose.yml starts, in a project of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.deploy.manifests import ROOT
from tests.service import free_port
from trainer_client import SelectorClient

T = TypeVar("T")

PROJECT = "bots-selector-test"


class Stack:
    """One installation, with volumes of its own, published on a free port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = os.environ | {"COMPOSE_PROJECT_NAME": PROJECT, "BOTS_PORT": str(self.port)}

    def compose(self, *arguments: str) -> str:
        """What Docker Compose writes; fails with its complaint."""
        command = [str(Path(sys.executable).with_name("docker-compose")), *arguments]
        return self._run(command)

    def docker(self, *arguments: str) -> str:
        """What Docker writes; fails with its complaint."""
        return self._run(["docker", *arguments])

    def compressed_size(self, image: str, below: int) -> int:
        """Bytes of an image's layers as a registry keeps them, without the lowest so many."""
        with tempfile.TemporaryFile() as file:
            subprocess.run(["docker", "save", image], check=True, stdout=file)
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                manifest = archive.extractfile("manifest.json")
                assert manifest is not None
                layers = json.load(manifest)[0]["Layers"][below:]
                parts = [archive.extractfile(layer) for layer in layers]
                return sum(len(zlib.compress(part.read())) for part in parts if part is not None)

    def up(self) -> None:
        """Start it as a user does, and wait until it is healthy."""
        self.compose("up", "--wait", "--wait-timeout", "300")

    def down(self, *options: str) -> None:
        """Stop it; its volumes stay, unless the options say otherwise."""
        self.compose("--profile", "*", "down", "--timeout", "30", *options)

    def crash(self, service: str) -> None:
        """Kill a service's process from outside, and return when Docker has started it again and it is healthy."""
        container = self.compose("ps", "--quiet", service).strip()
        before, pid = self.docker(
            "inspect", "--format", "{{.RestartCount}} {{.State.Pid}}", container
        ).split()
        os.kill(int(pid), signal.SIGKILL)

        def is_back() -> bool:
            state = self.docker(
                "inspect", "--format", "{{.RestartCount}} {{.State.Health.Status}}", container
            )
            count, health = state.split()
            return int(count) > int(before) and health == "healthy"

        wait_for(is_back, 120)

    def token(self, scope: str) -> str:
        """The token of this scope, as it lies in its volume."""
        path = f"/run/secrets/token-{scope}/token"
        return self.compose("run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "cat", "tokens", path)

    def client(self, scope: str, run: str | None = None) -> SelectorClient:
        """A client with the token of this scope."""
        return SelectorClient(self.url, run=run, token=self.token(scope))

    def inside(self, network: str, program: str) -> str:
        """What a program in Python writes that runs in a container on one of the networks."""
        options = ["--rm", "--network", f"{PROJECT}_{network}", "--entrypoint", "python"]
        return self.docker("run", *options, "bots-selector:0.3.0", "-c", program)

    def _run(self, command: list[str]) -> str:
        ended = subprocess.run(
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout[-5000:]}{ended.stderr[-5000:]}"
        return ended.stdout


def wait_for(found: Callable[[], T], seconds: float) -> T:
    """What `found` gives as soon as that is true."""
    deadline = time.monotonic() + seconds
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.5)
