"""An experiment whose trainings are `fake_trainer.py`, and take no time."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.experiment.trainings import Training, load_experiment

ROOT = Path(__file__).parents[3]
TRAINER = {
    "model": {"path": "tiny"},
    "tasks": {"file": "tasks.jsonl"},
    "reward": {"type": "function", "function": "math:sqrt"},
    "selector": {"url": "http://127.0.0.1:9", "create": {"pool": "tasks", "policy": {"type": "thompson"}}},
    "rollouts": {"max_tokens": 8},
    "training": {"steps": 4, "prompts": 4, "rollouts": 4, "device_batch": 16},
    "evaluation": {"tasks": {"file": "held-out.jsonl"}, "every": 2},
}


@dataclass
class FakeExperiment:
    """The files of an experiment in a folder, and what its trainer is told to do."""

    folder: Path
    trainer: dict[str, Any] = field(default_factory=lambda: dict(TRAINER))
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def control(self) -> Path:
        """The fake trainer's control folder."""
        folder = self.folder / "control"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def file(self) -> Path:
        """The experiment's file, as it is now."""
        tasks = "".join(f'{{"prompt": "task {number}", "answer": 0}}\n' for number in range(20))
        (self.folder / "tasks.jsonl").write_text(tasks)
        (self.folder / "trainer.yaml").write_text(yaml.safe_dump(self.trainer))
        experiment = {
            "name": "fake",
            "trainer": "trainer.yaml",
            "policies": {
                "bots": {},
                "random": {"selector": {"create": {"policy": {"type": "random"}}}},
            },
            "seeds": [0, 1],
            "launcher": [sys.executable, str(Path(__file__).with_name("fake_trainer.py")), str(self.control)],
            "output": str(self.output),
        }
        path = self.folder / "experiment.yaml"
        path.write_text(yaml.safe_dump(experiment | self.changes))
        return path

    def trainings(self) -> dict[str, Training]:
        """The trainings by policy-seed."""
        return {f"{training.policy}-{training.seed}": training for training in load_experiment(self.file)[1]}

    def begun(self) -> list[str]:
        """A line for each time that a trainer was started."""
        path = self.control / "begun"
        return path.read_text().splitlines() if path.exists() else []

    def fail(self, name: str) -> Path:
        """Make a training fail half-way, until the file that is given is removed."""
        path = self.control / f"fail-{name}"
        path.touch()
        return path

    def hang(self, name: str) -> Path:
        """Make a training stop half-way; who reads the FIFO that is given waits until it does."""
        path = self.control / f"hang-{name}"
        os.mkfifo(path)
        return path


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeExperiment:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return FakeExperiment(tmp_path)
