"""Runs an experiment: a child process for each training, so many at once."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from services.command_line.failures import INTERRUPTED, PASSING, Failure
from services.experiment.capability import capability_at
from services.experiment.config import Experiment
from services.experiment.guards import stop_requests
from services.experiment.progress import Progress, TrainingProgress
from services.experiment.trainings import load_experiment
from services.processes import children
from services.processes.local_selector import running_service
from services.processes.one_at_a_time import only_one

LAUNCHER = (sys.executable, "-m")
TRAINER = ("services.trainer",)
"""The trainer's module, and its arguments but for the configuration."""
POLL_SECONDS = 0.2
SHOWN_LINES = 20


def run_experiment(file: Path) -> None:
    """Do every training of an experiment that is not done yet.

    A training that fails does not stop the others. Raises `Failure` for a wrong experiment, at the end if a
    training failed, and when it was interrupted; what is done stays done, and the same call goes on.
    """
    experiment, trainings = load_experiment(file)
    again = f"`bots experiment run {file}`"
    with only_one(experiment.output) as lock, stop_requests() as stopped:
        for training in trainings:
            training.refuse_other_settings()
        progress = Progress([TrainingProgress(training) for training in trainings], experiment.jobs)
        for each in progress.trainings:
            each.look()
        todo = [each for each in progress.trainings if each.state != "done"]
        if todo:
            progress.say(f"{len(trainings) - len(todo)} of {len(trainings)} trainings are done.")
        with ExitStack() as opened:
            url = None
            if any(each.training.url is None for each in todo):
                url = opened.enter_context(
                    running_service(experiment.output / "selector", [lock], experiment.service)
                )
            opened.enter_context(progress.shown())
            failed = _Trainings(experiment, progress, url, lock, opened).train(todo, stopped)
    if stopped:
        raise Failure(f"stopped; {again} goes on where it was", INTERRUPTED)
    if failed:
        names = "; ".join(str(each.training) for each in failed)
        raise Failure(
            f"{len(failed)} of {len(trainings)} trainings failed: {names}. {again} tries them again",
            PASSING,
        )
    progress.say(f"{len(trainings)} of {len(trainings)} trainings are done.")
    progress.say(f"`bots experiment report {file}` says what came out.")


@dataclass(frozen=True)
class _Running:
    shown: TrainingProgress
    process: subprocess.Popen[bytes]


@dataclass(frozen=True)
class _Trainings:
    experiment: Experiment
    progress: Progress
    url: str | None
    lock: int
    opened: ExitStack

    def train(self, todo: Sequence[TrainingProgress], stopped: Sequence[int]) -> list[TrainingProgress]:
        """Train these, and give those that failed; end with all processes as soon as `stopped` is not empty."""
        waiting = list(todo)
        running: list[_Running] = []
        failed = []
        try:
            while (waiting or running) and not stopped:
                while waiting and len(running) < self.experiment.jobs:
                    running.append(self._start(waiting.pop(0)))
                time.sleep(POLL_SECONDS)
                ended = [each for each in running if each.process.poll() is not None]
                self.progress.follow([each.shown for each in running])
                for each in ended:
                    running.remove(each)
                    if each.shown.state != "done":
                        self._fail(each.shown, each.process.returncode)
                        failed.append(each.shown)
        finally:
            children.end([each.process for each in running])
        return failed

    def _start(self, shown: TrainingProgress) -> _Running:
        training = shown.training
        url = training.url or self.url
        assert url is not None  # without one of its own it is served one
        training.prepare(url)
        shown.state = "starting"
        shown.ask_capability = capability_at(url, self.opened)
        # So that a launcher of this Python's environment is found where that is not activated.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        command = [*(self.experiment.launcher or LAUNCHER), *TRAINER, str(training.config_file)]
        with training.log_file.open("ab") as log:
            # Safe path: the user's own folder `services` in the current directory is not taken for ours.
            environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // self.experiment.jobs))}
            environment |= os.environ | {"PATH": path, "PYTHONSAFEPATH": "1"}
            process = children.start(command, log, environment, [self.lock])
        return _Running(shown, process)

    def _fail(self, shown: TrainingProgress, status: int) -> None:
        shown.state = "failed"
        log = shown.training.log_file
        lines = log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        told = "\n".join(f"    {line}" for line in lines)
        self.progress.say(f"{shown.training}: failed with exit status {status}; the end of {log}:\n{told}")
