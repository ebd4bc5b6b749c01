"""Runs an experiment: a child process for each training, so many at once."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from services.command_line.failures import INTERRUPTED, Failure
from services.experiment.arms import load_experiment
from services.experiment.config import Experiment
from services.experiment.guards import only_one, stop_requests
from services.experiment.progress import ArmProgress, Progress
from services.processes import children
from services.processes.local_selector import running_service

TRAINER = "services.trainer"
POLL_SECONDS = 0.2
SHOWN_LINES = 20


def run_experiment(file: Path) -> None:
    """Do every training of an experiment that is not done yet.

    A training that fails does not stop the others. Raises `Failure` for a wrong experiment, at the end if a
    training failed, and when it was interrupted; what is done stays done, and the same call goes on.
    """
    experiment, arms = load_experiment(file)
    again = f"`bots experiment run {file}`"
    with only_one(experiment.output) as lock, stop_requests() as stopped:
        for arm in arms:
            arm.refuse_other_settings()
        progress = Progress([ArmProgress(arm) for arm in arms], experiment.jobs)
        for each in progress.arms:
            each.look()
        todo = [each for each in progress.arms if each.state != "done"]
        progress.say(f"{len(arms) - len(todo)} of {len(arms)} trainings are done.")
        serve = any(each.arm.needs_a_service for each in todo)
        service = running_service(experiment.output / "selector", [lock]) if serve else nullcontext()
        with service as url, progress.shown():
            failed = _Run(experiment, progress, url, lock).train(todo, stopped)
    if stopped:
        raise Failure(f"stopped; {again} goes on where it was", INTERRUPTED)
    if failed:
        names = "; ".join(str(each.arm) for each in failed)
        raise Failure(f"{len(failed)} of {len(arms)} trainings failed: {names}. {again} tries them again")


@dataclass(frozen=True)
class _Training:
    shown: ArmProgress
    process: subprocess.Popen[bytes]


@dataclass(frozen=True)
class _Run:
    experiment: Experiment
    progress: Progress
    url: str | None
    lock: int

    def train(self, todo: Sequence[ArmProgress], stopped: Sequence[int]) -> list[ArmProgress]:
        """Train these, and give those that failed; end with all processes as soon as `stopped` is not empty."""
        waiting = list(todo)
        running: list[_Training] = []
        failed = []
        try:
            while (waiting or running) and not stopped:
                while waiting and len(running) < self.experiment.jobs:
                    running.append(self._start(waiting.pop(0)))
                time.sleep(POLL_SECONDS)
                for training in list(running):
                    status = training.process.poll()
                    self.progress.follow(training.shown)
                    if status is not None:
                        running.remove(training)
                        if training.shown.state != "done":
                            self._fail(training.shown, status)
                            failed.append(training.shown)
        finally:
            children.end([training.process for training in running])
        return failed

    def _start(self, shown: ArmProgress) -> _Training:
        arm = shown.arm
        arm.prepare(self.url if arm.needs_a_service else None)
        shown.state = "training"
        launcher = self.experiment.launcher or [sys.executable, "-m"]
        # So that a launcher of this Python's environment is found where that is not activated.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        with arm.log_file.open("ab") as log:
            process = children.start(
                [*launcher, TRAINER, str(arm.config_file)], log, os.environ | {"PATH": path}, [self.lock]
            )
        return _Training(shown, process)

    def _fail(self, shown: ArmProgress, status: int) -> None:
        shown.state = "failed"
        log = shown.arm.log_file
        lines = log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        told = "\n".join(f"    {line}" for line in lines)
        self.progress.say(f"{shown.arm}: failed with exit status {status}; the end of {log}:\n{told}")
