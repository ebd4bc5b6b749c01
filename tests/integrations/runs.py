"""What tests of adapters share: a run of its own for each, and trainings that wait where the test wants to act."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from tests.integrations.conformance import Batch, Event, noted
from tests.integrations.frameworks import Framework, Training
from tests.integrations.trainings import TASKS
from tests.service import Service
from trainer_client import Selection, SelectorClient, Task


class Run:
    """A run, and the folder of the training in it, whose name is the run's.

    Args:
        framework: whose Python trains.
        script: of `adapters/`, which does it.
        url: of the service.
        folder: of the training.
        config: of the run, beside its pool.
    """

    seconds_to_reach: ClassVar[float] = 240.0
    seconds_to_end: ClassVar[float] = 540.0

    def __init__(self, framework: Framework, script: str, url: str, folder: Path, **config: Any):
        folder.mkdir(exist_ok=True)
        self.framework, self.script = framework, script
        self.folder, self.name, self.url = folder, folder.name, url
        self.client = SelectorClient(url, self.name)
        self.client.create_pool(self.name)
        self.client.add_tasks(self.name, [Task(id=task) for task in TASKS])
        self.client.create_run(self.name, self.name, **config)

    @property
    def environment(self) -> dict[str, str]:
        """What the training finds in its environment besides."""
        return {}

    def start(self) -> Training:
        """Begin the training, or go on with it."""
        return self.framework.start(
            self.script, self.folder, log=self.folder / "log", environment=self.environment
        )

    def train(self) -> str:
        """Train to the end; what the training printed."""
        with self.start() as training:
            training.end(self.seconds_to_end)
            return training.log()

    def train_and_kill(self, where: int | str, also: Callable[[], bool] = lambda: True) -> None:
        """Train until there, and until something else holds too, and die."""
        stop = self.stop_at(where)
        with self.start() as training:
            self.wait_for(where, training)
            self.wait(also, training)
            training.kill()
        stop.unlink()

    def go_on_while_away(self, service: Service) -> None:
        """Train to the end; the service is away from step 4 to step 7."""
        away, back = self.stop_at(4), self.stop_at(7)
        with self.start() as training:
            self.wait_for(4, training)
            service.kill()
            away.unlink()
            self.wait_for(7, training)
            service.start()
            back.unlink()
            training.end(self.seconds_to_end)

    def stop_at(self, where: int | str) -> Path:
        """The training waits there until this file is gone."""
        file = self.folder / f"stop-{where}"
        file.touch()
        return file

    def wait_for(self, where: int | str, training: Training) -> None:
        """Until the training waits there."""
        self.wait((self.folder / f"reached-{where}").exists, training)

    def wait(self, reached: Callable[[], bool], training: Training) -> None:
        """Until this holds; fails with the training's log if it ends before, or takes too long."""
        deadline = time.monotonic() + self.seconds_to_reach
        while not reached():
            assert training.runs, training.log()[-10_000:]
            assert time.monotonic() < deadline, training.log()[-10_000:]
            time.sleep(0.05)

    def events(self, run: str | None = None) -> list[Event]:
        """The log of the run, or of a fork of it."""
        return list(self.client.events(run))

    def end_open(self) -> None:
        """End the selections that were left open, such as one that was drawn in part when the training ended."""
        for row in list(self.client.selections("open")):
            left = Selection(selection=row.selection, run=self.name, step=row.step or 0, tasks=row.tasks)
            self.client.report(left, {}, final=True)

    def rolled_out(self, name: str = "notes") -> list[Batch]:
        """The batches of the training, or those of its evaluations."""
        return noted(self.folder / name)


class StoodIn(Run):
    """A run whose training is stood in for by `trainings`, in the framework's loop or in one made after it."""

    def __init__(self, *args: Any, **config: Any):
        super().__init__(*args, **config)
        self.configure()

    def configure(self, **settings: Any) -> None:
        """What the training finds in its folder: see `trainings.settings`."""
        given = {"url": self.url, "run": self.name, "tasks": TASKS, "drops": False} | settings
        (self.folder / "settings.json").write_text(json.dumps(given))


class StandIn(Framework):
    """A framework that is not on PyPI: its interface is stood in, in the tests' own virtual environment."""

    def __init__(self):
        self.python = Path(sys.executable)


def failed(batches: list[Batch]) -> int:
    """How many groups could not be scored."""
    return sum(rewards is None for batch in batches for rewards in batch.values())
