"""Trainings by frameworks that each live in a virtual environment of their own: `make test-adapters` makes these.

A test of an adapter runs in `.venv` beside a real service. What it trains with is a script in `adapters/`, which
the framework's Python runs in a process of its own, so that it can be killed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


class Framework:
    """A framework's virtual environment, `.venv-NAME` beside the other ones; without it, the test is skipped."""

    def __init__(self, name: str, target: str = "test-adapters"):
        self.python = ROOT / f".venv-{name}" / "bin" / "python"
        if not self.python.exists():
            pytest.skip(f"there is no .venv-{name}: `make {target}` makes it")

    def start(
        self, script: str, *arguments: str | Path, log: Path, environment: Mapping[str, str] | None = None
    ) -> Training:
        """Run a script of `adapters/`; it prints to `log`."""
        given = {name: value for name, value in os.environ.items() if not name.startswith("SELECTOR_")}
        given |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        command = [str(self.python), "-m", f"tests.integrations.adapters.{script}", *map(str, arguments)]
        with log.open("ab") as lines:
            process = subprocess.Popen(
                command, cwd=log.parent, env=given | dict(environment or {}), stdout=lines, stderr=lines
            )
        return Training(process, log)


class Training:
    """A training that runs; a context manager, at whose end nothing of it is left."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path):
        self._process = process
        self._log = log

    def end(self, timeout: float = 540.0) -> None:
        """Wait until it ends by itself, and well."""
        code = self._process.wait(timeout)
        assert code == 0, f"exit code {code}:\n{self.log()[-20_000:]}"

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it and all that it started, as the loss of the machine would."""
        if self.runs:
            leader = psutil.Process(self._process.pid)
            for process in [leader, *leader.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.wait()

    def log(self) -> str:
        """What it printed."""
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Training:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
