"""Where the trainings of an experiment stand: a live table on a terminal, lines now and then elsewhere."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from statistics import fmean
from typing import Literal

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from services.command_line.waiting import silence
from services.experiment.capability import Capability
from services.experiment.measures import effective_task_ratio
from services.experiment.trainings import Training
from services.trainer.records import EvaluationRecord, StepRecord

RECENT_STEPS = 10
# The table's header, rule and caption, and what the caption may wrap to.
LINES_AROUND = 6
# In the table: each has a line.
SHOWN_DOMAINS = 4


@dataclass
class TrainingProgress:
    """What is shown of one training; means are over its last few steps, and None before there are any.

    Attributes:
        ask_capability: Asks where the model of a run stands, after a step.
    """

    training: Training
    state: Literal["waiting", "starting", "training", "done", "failed"] = "waiting"
    step: int = 0
    reward: float | None = None
    etr: float | None = None
    step_seconds: float | None = None
    selector_seconds: float | None = None
    evaluation: EvaluationRecord | None = None
    capability: Capability = field(default_factory=dict)
    ask_capability: Callable[[str], Capability] = lambda run: {}
    size: int = -1

    def look(self) -> list[EvaluationRecord]:
        """Look at what the training has written, and give the evaluations that are new. Raises `Failure`."""
        size = self.training.records_size()
        if size == self.size:
            return []
        self.size = size
        records = self.training.records()
        self._see(records.steps)
        if self.state == "starting" and size > 0:
            self.state = "training"
        if records.finished:
            self.state = "done"
        known = self.evaluation
        new = [seen for seen in records.evaluations if known is None or seen.at > known.at]
        self.evaluation = records.evaluations[-1] if records.evaluations else None
        return new

    def _see(self, steps: Sequence[StepRecord]) -> None:
        if len(steps) != self.step:
            # A training that went on from a checkpoint goes on in a fork of its run.
            runs = [selection.run for step in steps[-1:] for selection in step.selections if selection.run]
            self.capability = self.ask_capability(runs[-1] if runs else self.training.run)
        recent = steps[-RECENT_STEPS:]
        self.step = len(steps)
        self.reward = _mean(step.reward for step in recent)
        self.etr = _mean(map(effective_task_ratio, recent))
        self.step_seconds = _mean(step.seconds for step in recent)
        self.selector_seconds = _mean(step.selector_seconds for step in recent)

    @property
    def steps_left(self) -> int:
        """Steps that it still has to do."""
        return 0 if self.state in ("done", "failed") else self.training.steps - self.step

    @property
    def seconds_left(self) -> float | None:
        """At its present pace."""
        return None if self.step_seconds is None else self.steps_left * self.step_seconds

    @property
    def domains(self) -> list[str]:
        """μ of the first domains."""
        return [
            f"{name} {_rounded(mean, 2)}" for name, mean in islice(self.capability.items(), SHOWN_DOMAINS)
        ]

    def __str__(self) -> str:
        """On a line."""
        words = [f"{self.training}: {self.state}, step {self.step} of {self.training.steps}"]
        if self.step:
            words += [f"reward {_rounded(self.reward, 2)}", f"ETR of the last steps {_rounded(self.etr)}"]
            words += [f"μ {', '.join(self.domains)}"] if self.domains else []
            words += [f"{_milliseconds(self.selector_seconds)} a step with the selector"]
            words += [f"{_duration(self.seconds_left)} left"]
        return ", ".join(words)


@dataclass
class Progress:
    """All trainings, in the order in which they are done, `jobs` at once, and the console that shows them."""

    trainings: Sequence[TrainingProgress]
    jobs: int
    console: Console = field(default_factory=Console)
    _live: Live | None = None
    _started: float = field(default_factory=time.monotonic)
    _said: float = field(default_factory=time.monotonic)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table while inside, where there is a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(self.table(), console=self.console, auto_refresh=False) as self._live:
            yield
        self._live = None

    def follow(self, running: Sequence[TrainingProgress]) -> None:
        """Look at what these have written, and show it: without a terminal evaluations, and now and then steps."""
        evaluations = [(each, seen) for each in running for seen in each.look()]
        if self._live is not None:
            self._live.update(self.table(), refresh=True)
            return
        for each, seen in evaluations:
            self.say(
                f"{each.training}: step {seen.step} of {each.training.steps}, "
                f"held-out accuracy {seen.accuracy:.3f}, ETR of the last steps {_rounded(each.etr)}, "
                f"{_duration(each.seconds_left)} left"
            )
        if time.monotonic() - self._said > silence(self._elapsed):
            for each in running:
                self.say(str(each))

    def say(self, line: str) -> None:
        """Print something, above the table if there is one."""
        self._said = time.monotonic()
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def table(self) -> Table:
        """Where the trainings stand: as many of them as the screen has lines, around those that are under way."""
        done = sum(each.state == "done" for each in self.trainings)
        table = Table(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            padding=0,  # for a terminal of 80 columns
            caption=f"{_duration(self._elapsed)} so far; {done} of {len(self.trainings)} trainings are done, "
            f"about {_duration(self._seconds_left())} left",
        )
        for column in ("policy", "seed", "", "step", "reward", "ETR", "μ", "held-out", "selector", "left"):
            table.add_column(column, justify="left" if column in ("policy", "") else "right", no_wrap=True)
        for each in self._on_screen():
            table.add_row(
                each.training.policy,
                str(each.training.seed),
                each.state,
                f"{each.step}/{each.training.steps}",
                _rounded(each.reward, 2),
                _rounded(each.etr),
                "\n".join(each.domains) or _rounded(None),
                _rounded(each.evaluation.accuracy if each.evaluation else None),
                _milliseconds(each.selector_seconds),
                _duration(each.seconds_left),
            )
        return table

    def _on_screen(self) -> Sequence[TrainingProgress]:
        lines_each = max(len(each.domains) or 1 for each in self.trainings)
        room = max((self.console.height - LINES_AROUND) // lines_each, self.jobs)
        unfinished = [place for place, each in enumerate(self.trainings) if each.steps_left]
        middle = unfinished[0] if unfinished else len(self.trainings)
        first = max(0, min(middle - room // 2, len(self.trainings) - room))
        return self.trainings[first : first + room]

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _seconds_left(self) -> float | None:
        paces = [each.step_seconds for each in self.trainings if each.step_seconds is not None]
        return fmean(paces) * sum(each.steps_left for each in self.trainings) / self.jobs if paces else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _rounded(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:.0f} ms"


def _duration(seconds: float | None) -> str:
    return "–" if seconds is None else str(timedelta(seconds=round(seconds)))
