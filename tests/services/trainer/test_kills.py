"""Trainers that are killed by SIGKILL, and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.command_line.configuration import save_mapping
from services.trainer.records import read_records
from tests.services.tiny import trainer_config
from tests.services.trainer.logs import (
    assert_each_selection_counted_once,
    events_of,
    evidence_in_log,
)

TORCHRUN = [str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc-per-node", "2", "-m"]
ONE_PROCESS = [sys.executable, "-m"]


def start(launcher: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*launcher, *arguments], capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize(
    ("launcher", "call", "number", "status"),
    [
        (ONE_PROCESS, "select", 4, -signal.SIGKILL),
        (ONE_PROCESS, "report", 4, -signal.SIGKILL),
        (TORCHRUN, "select", 4, 1),
    ],
    ids=["between select and report", "between report and checkpoint", "one of two processes"],
)
def test_a_killed_trainer_goes_on_and_nothing_counts_twice(
    folder: Path, service_url: str, launcher: list[str], call: str, number: int, status: int
):
    run = f"killed-{call}-{len(launcher)}"
    config = folder / "config.yaml"
    held_out = {"tasks": {"file": str(folder / "held-out.jsonl"), "id": "id"}, "every": 2, "samples": 2}
    save_mapping(
        config,
        trainer_config(
            folder,
            service_url,
            run,
            training={"device_batch": 4},
            evaluation=held_out,
            selector={"on_rollback": "keep"},
        ),
    )
    killed = start(launcher, "tests.services.trainer.killed", call, str(number), str(config))
    assert killed.returncode == status, killed.stderr
    before = events_of(service_url, run)
    assert before[-1]["type"] == {"select": "selected", "report": "committed"}[call]
    assert [step.step for step in read_records(folder / run).steps] == [1, 2, 3]

    resumed = start(launcher, "services.trainer", str(config))
    assert resumed.returncode == 0, resumed.stderr
    events = events_of(service_url, run)
    assert_each_selection_counted_once(events, selections=5)
    assert sum(evidence_in_log(events).values()) == 5 * 4
    records = read_records(folder / run)
    # Each step goes on with its own selection; what was rolled out again may have come out otherwise.
    assert [step.selections[0].selection for step in records.steps] == [
        event["selection"] for event in events if event["type"] == "selected"
    ]
    assert [step.step for step in records.steps] == [1, 2, 3, 4, 5]
    assert [(seen.step, seen.tasks) for seen in records.evaluations] == [(0, 6), (2, 6), (4, 6), (5, 6)]
    assert records.finished
