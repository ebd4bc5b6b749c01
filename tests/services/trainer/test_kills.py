"""Trainers that are ended by SIGKILL or SIGTERM, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.command_line import configuration
from services.command_line.configuration import save_mapping
from services.command_line.failures import Failure
from services.trainer import training
from services.trainer.command import train
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
    killed = start(launcher, "tests.services.trainer.killed", "SIGKILL", call, str(number), str(config))
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


@pytest.mark.parametrize("launcher", [ONE_PROCESS, TORCHRUN], ids=["one process", "one of two processes"])
def test_sigterm_ends_a_trainer_with_its_step_and_nothing_is_lost(
    folder: Path, service_url: str, launcher: list[str]
):
    run = f"terminated-{len(launcher)}"
    config = folder / "config.yaml"
    changes = {"training": {"device_batch": 4}, "checkpoints": {"every": 100}}
    save_mapping(config, trainer_config(folder, service_url, run, **changes))
    ended = start(launcher, "tests.services.trainer.killed", "SIGTERM", "select", "3", str(config))
    assert "stopped after step 3. The same command" in ended.stderr, ended.stderr
    assert "goes on after step 3, from" in ended.stderr
    if launcher is ONE_PROCESS:
        assert ended.returncode == 143
    events = events_of(service_url, run)
    assert [event["type"] for event in events[-2:]] == ["selected", "committed"]  # nothing is held

    resumed = start(launcher, "services.trainer", str(config))
    assert resumed.returncode == 0, resumed.stderr
    assert events_of(service_url, run)[: len(events)] == events
    assert_each_selection_counted_once(events_of(service_url, run), selections=5)
    records = read_records(folder / run)
    assert [step.step for step in records.steps] == [1, 2, 3, 4, 5]
    assert records.finished


def test_sigterm_before_the_first_step_ends_a_trainer_at_once(
    folder: Path, service_url: str, monkeypatch: pytest.MonkeyPatch
):
    def told(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(training, "make_trainer", told)
    config = folder / "config.yaml"
    save_mapping(config, trainer_config(folder, service_url, "terminated-early"))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Failure, match="stopped after step 0, before the first checkpoint") as stop:
        train(config)
    assert stop.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_while_a_trainer_is_still_loading_ends_it(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(configuration, "load", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Failure, match="before it began to train") as stop:
        train(folder / "config.yaml")
    assert stop.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) == before
