"""What trainings share that are stood in for: their tasks, and rollouts whose rewards depend on the task alone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.integrations.conformance import note, rewards_of

TASKS = [f"task-{number}" for number in range(40)]
EVALUATED = [f"eval-{number}" for number in range(5)]
STEPS, BATCH, ROLLOUTS = 12, 6, 4


def settings(folder: Path) -> dict[str, Any]:
    """What a test says to its training: url, run, tasks, drops (whether some groups fail), and whatever else."""
    return json.loads((folder / "settings.json").read_text())


def roll_out(folder: Path, step: int, task: str, note_as: str | None) -> list[float] | None:
    """The rewards of a group of this step; None if it fails. They are noted as this job's, if it has a name."""
    (folder / f"reached-{step}").touch()
    while (folder / f"stop-{step}").exists():
        time.sleep(0.05)
    rewards = rewards_of(task, ROLLOUTS, drops=settings(folder)["drops"])
    if note_as is not None:
        note(folder / "notes", step, {task: rewards}, note_as)
    return rewards
