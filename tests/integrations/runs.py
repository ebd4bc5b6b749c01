"""What tests of adapters share: a run of its own for each, and trainings that wait where the test wants to act."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integrations.conformance import Batch, Event
from tests.integrations.frameworks import Framework, Training
from tests.integrations.trainings import TASKS
from trainer_client import SelectorClient, Task


class Run:
    """A run, and the folder of the training in it."""

    def __init__(self, url: str, folder: Path, **config: Any):
        folder.mkdir(exist_ok=True)
        self.folder, self.name, self.url = folder, folder.name, url
        self.client = SelectorClient(url, self.name)
        self.client.create_pool(self.name)
        self.client.add_tasks(self.name, [Task(id=task) for task in TASKS])
        self.client.create_run(self.name, self.name, **config)
        self.configure()

    def configure(self, **settings: Any) -> None:
        """What the training finds in its folder: see `trainings.settings`."""
        given = {"url": self.url, "run": self.name, "tasks": TASKS, "drops": False} | settings
        (self.folder / "settings.json").write_text(json.dumps(given))

    def stop_at(self, step: int) -> Path:
        """The training waits in this step until this file is gone."""
        file = self.folder / f"stop-{step}"
        file.touch()
        return file

    def wait_for(self, step: int, training: Training) -> None:
        """Until the training waits in this step."""
        wait(lambda: (self.folder / f"reached-{step}").exists(), training)

    def events(self, run: str | None = None) -> list[Event]:
        """The log of the run, or of a fork of it."""
        return list(self.client.events(run))


class StandIn(Framework):
    """A framework that is not on PyPI: its interface is stood in, in the tests' own virtual environment."""

    def __init__(self):
        self.python = Path(sys.executable)


def wait(reached: Callable[[], bool], training: Training, seconds: float = 240.0) -> None:
    """Until this holds; fails with the training's log if it ends before, or takes too long."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert training.runs, training.log()[-10_000:]
        assert time.monotonic() < deadline, training.log()[-10_000:]
        time.sleep(0.05)


def failed(batches: list[Batch]) -> int:
    """How many groups could not be scored."""
    return sum(rewards is None for batch in batches for rewards in batch.values())
