"""What stands in for generation in trainings by verl: rewards by chance, but always the same for a task.

A training's argument is a folder with its settings in `overrides.json`. What is rolled out is written to `notes`,
by the number of its selection, or to `evaluations`. A step n waits as long as there is a file `stop-n`; with a file
`drops`, some tasks cannot be scored.
"""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from tests.integrations.conformance import note, rewards_of


def config_of(folder: Path) -> Any:
    """The configuration of verl with the folder's settings."""
    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose("ppo_trainer", overrides=json.loads((folder / "overrides.json").read_text()))
    OmegaConf.resolve(config)
    return config


def rolled_out(folder: Path, task: str, rollouts: int, selection: int, *, evaluates: bool) -> list[float]:
    """The rewards of the rollouts of a task of this selection, counted from 1; NaN if it cannot be scored."""
    rewards = rewards_of(task, rollouts, drops=not evaluates and (folder / "drops").exists())
    name = "evaluations" if evaluates else "notes"
    note(folder / name, selection, {task: rewards}, os.environ["JOB"])
    return rewards or [math.nan] * rollouts


def wait_if_asked(folder: Path, where: int | str) -> None:
    """Say that the training is there, and wait."""
    (folder / f"reached-{where}").touch()
    while (folder / f"stop-{where}").exists():
        time.sleep(0.05)
