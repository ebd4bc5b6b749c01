"""What the scripts of deploy/slurm do with signals, and before which commands they put BOTS_RUN, without a cluster.

`bots`, Slurm's commands and the container are stood in for; `make test-slurm` has real ones but for the last.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.deploy.manifests import ROOT

BOTS = """\
#!/bin/bash
echo "$*" >> "$BOTS_FOLDER/calls"
case "$*" in
    *--make-run) exit "$MAKE_RUN_ENDS";;
    train*) trap 'exit "$TRAINING_ENDS"' TERM; echo started > "$BOTS_FOLDER/started"; while :; do sleep 0.1; done;;
esac
"""
"""Answers every command at once; a training goes on until it gets SIGTERM."""
SCONTROL = '#!/bin/sh\necho "$*" > "$BOTS_FOLDER/scontrol"\n'
CONTAINER = """\
#!/bin/bash
echo "$*" >> "$BOTS_FOLDER/contained"
while test "$1" != --; do shift; done
shift
exec "$@"
"""


class Job:
    """A script of deploy/slurm as Slurm starts it, in a folder."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self._variables = variables
        programs = folder / "venv" / "bin"
        programs.mkdir(parents=True)
        for name, text in (("bots", BOTS), ("scontrol", SCONTROL), ("contained", CONTAINER)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        (folder / "url").write_text("http://127.0.0.1:1\n")
        os.mkfifo(folder / "started")

    def start(self, script: str) -> subprocess.Popen[bytes]:
        given = {"MAKE_RUN_ENDS": "0", "TRAINING_ENDS": "143", "SLURM_JOB_ID": "7"} | self._variables
        here = {"BOTS_FOLDER": str(self.folder), "BOTS_VENV": str(self.folder / "venv")}
        command = ["bash", f"deploy/slurm/{script}.sbatch", "training.yaml"]
        return subprocess.Popen(command, cwd=ROOT, env=os.environ | given | here)

    def told(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize(
    ("sent", "training_ends", "requeued"),
    [
        (signal.SIGUSR1, 143, ["requeue 7"]),
        (signal.SIGTERM, 143, []),
        (signal.SIGUSR1, 0, []),
    ],
    ids=["the time limit is near", "cancelled", "it had just ended"],
)
def test_a_signal_ends_the_training_and_the_time_limit_requeues_it(
    tmp_path: Path, sent: signal.Signals, training_ends: int, requeued: list[str]
) -> None:
    job = Job(tmp_path, TRAINING_ENDS=str(training_ends))
    process = job.start("trainer")
    assert (tmp_path / "started").read_text() == "started\n"
    process.send_signal(sent)
    assert process.wait(60) == training_ends
    assert job.told("calls") == ["train training.yaml --make-run", "train training.yaml"]
    assert job.told("scontrol") == requeued


def test_a_mistake_is_not_tried_again(tmp_path: Path) -> None:
    job = Job(tmp_path, MAKE_RUN_ENDS="2")
    assert job.start("trainer").wait(60) == 2
    assert job.told("calls") == ["train training.yaml --make-run"]


def test_a_container_is_put_before_every_command(tmp_path: Path) -> None:
    before = f"--bind {tmp_path} image -- "
    job = Job(tmp_path, BOTS_RUN=f"contained {before}")
    assert job.start("selector").wait(60) == 0
    trainer = job.start("trainer")
    assert (tmp_path / "started").read_text() == "started\n"
    trainer.terminate()
    assert trainer.wait(60) == 143
    calls = job.told("calls")
    assert [each.split()[:2] for each in calls[:3]] == [["token", "create"]] * 3
    assert calls[3].startswith("serve --host 0.0.0.0 --port 0 ")
    assert job.told("contained") == [f"{before}bots {each}" for each in calls]
    for scope in ("admin", "train", "read"):
        token = tmp_path / f"token-{scope}"
        assert token.read_text().startswith("bots_")
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
