"""A training whose steps are shared by two processes, started as a user starts one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.command_line.configuration import save_mapping
from services.trainer.records import read_records
from tests.services.tiny import trainer_config
from tests.services.trainer.logs import (
    assert_each_selection_counted_once,
    events_of,
    evidence_in_log,
    evidence_in_records,
)

LAUNCH = [
    *(sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"),
    *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
    *("-m", "services.trainer"),
]
TRAININGS: dict[str, dict[str, Any]] = {
    "plain": {"steps": 3, "device_batch": 8},
    # Groups of three: the two processes have equally many rollouts only where padding makes the groups even.
    "filtered": {
        "steps": 3,
        "prompts": 4,
        "rollouts": 3,
        "device_batch": 6,
        "filter_groups": {"max_rounds": 4},
    },
}


@pytest.mark.parametrize("name", TRAININGS)
def test_two_processes_count_each_rollout_once(folder: Path, service_url: str, name: str):
    config = trainer_config(folder, service_url, f"two-{name}", training=TRAININGS[name])
    save_mapping(folder / "config.yaml", config)
    trained = subprocess.run(
        [*LAUNCH, str(folder / "config.yaml")],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert trained.returncode == 0, trained.stderr
    records, events = read_records(folder / f"two-{name}"), events_of(service_url, f"two-{name}")
    assert [step.step for step in records.steps] == [1, 2, 3]
    assert_each_selection_counted_once(events, selections=sum(len(step.selections) for step in records.steps))
    assert evidence_in_log(events) == evidence_in_records(records)
