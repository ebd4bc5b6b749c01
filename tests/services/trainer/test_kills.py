"""Trainers that are ended by SIGKILL or SIGTERM, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from services.command_line import configuration
from services.command_line.configuration import save_mapping
from services.command_line.failures import Failure
from services.trainer import training
from services.trainer.command import train
from services.trainer.records import read_records
from tests.services.tiny import trainer_config
from tests.services.trainer.killed import BATCHES
from tests.services.trainer.logs import (
    assert_each_selection_counted_once,
    events_of,
    evidence_in_log,
    evidence_in_records,
)

TORCHRUN = [str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc-per-node", "2", "-m"]
ONE_PROCESS = [sys.executable, "-m"]


def start(launcher: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*launcher, *arguments], capture_output=True, text=True, timeout=140)


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


@pytest.mark.timeout(300)
@pytest.mark.parametrize("launcher", [ONE_PROCESS, TORCHRUN], ids=["one process", "one of two processes"])
def test_sigterm_ends_a_trainer_with_its_step_and_nothing_is_lost(
    folder: Path, service_url: str, launcher: list[str]
):
    run = f"terminated-{len(launcher)}"
    config = folder / "config.yaml"
    changes = {"training": {"device_batch": 4}, "checkpoints": {"every": 100}}
    save_mapping(config, trainer_config(folder, service_url, run, **changes))
    ended = start(launcher, "tests.services.trainer.killed", "select", "3", str(config), "SIGTERM")
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


SURE_OF_NEARLY_ALL = {"type": "bots", "prior": [50, 50], "rollouts": 4}
"""It expects nearly every group to be informative, so what it plans often has to be topped up."""


@pytest.mark.timeout(300)
def test_two_processes_killed_in_a_top_up_count_each_group_once_and_train_on_full_batches(
    folder: Path, service_url: str
):
    run = "killed-in-a-top-up"
    config = trainer_config(
        folder,
        service_url,
        run,
        selector={"create": {"pool": run, "posterior": SURE_OF_NEARLY_ALL}},
        training={"steps": 4, "device_batch": 4, "filter_groups": {"max_rounds": 10}},
        checkpoints={"every": 1},
    )
    save_mapping(folder / "config.yaml", config)
    killed = start(TORCHRUN, "tests.services.trainer.killed", "select", "top-up", str(folder / "config.yaml"))
    assert killed.returncode == 1, killed.stderr
    before = events_of(service_url, run)
    assert [event["type"] for event in before[-3:]] == ["selected", "committed", "selected"]
    done = len(read_records(folder / run).steps)
    assert done >= 1
    for process in range(2):
        (folder / run / BATCHES.format(process=process)).unlink()

    resumed = start(TORCHRUN, "tests.services.trainer.killed", "select", "none", str(folder / "config.yaml"))
    assert resumed.returncode == 0, resumed.stderr
    records = read_records(folder / run)
    assert [step.step for step in records.steps] == [1, 2, 3, 4]
    assert records.finished
    assert events_of(service_url, run) == before
    events = events_of(service_url, f"{run}-2")  # from the step's begin on, as half of it was counted
    committed = Counter(event["selection"] for event in events if event["type"] == "committed")
    assert set(committed.values()) == {1}
    assert evidence_in_log(events) == evidence_in_records(records)
    for step in records.steps:
        assert sum(task.effective for selection in step.selections for task in selection.tasks) >= 4
    for process in range(2):
        batches = (folder / run / BATCHES.format(process=process)).read_text().split()
        assert batches == ["8"] * (4 - done)
