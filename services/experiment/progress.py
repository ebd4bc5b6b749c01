"""Where the arms stand while they train: a live table, or a line an evaluation where there is no terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import fmean
from typing import Literal

from rich.console import Console
from rich.live import Live
from rich.table import Table

from services.experiment.arms import Arm
from services.experiment.measures import effective_task_ratio
from services.trainer.records import EvaluationRecord

RECENT_STEPS = 10
# The table's header, borders and caption.
LINES_AROUND = 6


@dataclass
class ArmProgress:
    """What is shown of one arm; means are over its last few steps, and None before there are any."""

    arm: Arm
    state: Literal["waiting", "training", "done", "failed"] = "waiting"
    step: int = 0
    etr: float | None = None
    step_seconds: float | None = None
    evaluation: EvaluationRecord | None = None
    size: int = -1

    def look(self) -> list[EvaluationRecord]:
        """Look at what the arm has written, and give the evaluations that are new. Raises `Failure`."""
        size = self.arm.records_size()
        if size == self.size:
            return []
        self.size = size
        records = self.arm.records()
        recent = records.steps[-RECENT_STEPS:]
        self.step = len(records.steps)
        self.etr = fmean(map(effective_task_ratio, recent)) if recent else None
        self.step_seconds = fmean(step.seconds for step in recent) if recent else None
        if records.finished:
            self.state = "done"
        known = self.evaluation
        new = [seen for seen in records.evaluations if known is None or seen.at > known.at]
        self.evaluation = records.evaluations[-1] if records.evaluations else None
        return new

    @property
    def steps_left(self) -> int:
        """Steps that it still has to do."""
        return 0 if self.state in ("done", "failed") else self.arm.steps - self.step

    @property
    def seconds_left(self) -> float | None:
        """At its present pace."""
        return None if self.step_seconds is None else self.steps_left * self.step_seconds


@dataclass
class Progress:
    """All arms, in the order in which they are trained, `jobs` at once, and the console that shows them."""

    arms: Sequence[ArmProgress]
    jobs: int
    console: Console = field(default_factory=Console)
    _live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table while inside, where there is a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(self.table(), console=self.console, auto_refresh=False) as self._live:
            yield
        self._live = None

    def follow(self, each: ArmProgress) -> None:
        """Look at what an arm has written, and show it."""
        evaluations = each.look()
        if self._live is not None:
            self._live.update(self.table(), refresh=True)
            return
        for seen in evaluations:
            self.say(
                f"{each.arm}: step {seen.step} of {each.arm.steps}, held-out accuracy {seen.accuracy:.3f}, "
                f"ETR of the last steps {_rounded(each.etr)}, {_duration(each.seconds_left)} left"
            )

    def say(self, line: str) -> None:
        """Print something, above the table if there is one."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def table(self) -> Table:
        """Where the arms stand: as many of them as the screen has lines, around those in training."""
        done = sum(each.state == "done" for each in self.arms)
        table = Table(
            caption=f"{done} of {len(self.arms)} trainings are done, about {_duration(self._seconds_left())} left"
        )
        for column in ("policy", "seed", "", "step", "ETR", "held-out", "left"):
            table.add_column(column, justify="left" if column in ("policy", "") else "right", no_wrap=True)
        for each in self._on_screen():
            table.add_row(
                each.arm.policy,
                str(each.arm.seed),
                each.state,
                f"{each.step}/{each.arm.steps}",
                _rounded(each.etr),
                _rounded(each.evaluation.accuracy if each.evaluation else None),
                _duration(each.seconds_left),
            )
        return table

    def _on_screen(self) -> Sequence[ArmProgress]:
        room = max(self.console.height - LINES_AROUND, self.jobs)
        unfinished = [place for place, each in enumerate(self.arms) if each.steps_left]
        middle = unfinished[0] if unfinished else len(self.arms)
        first = max(0, min(middle - room // 2, len(self.arms) - room))
        return self.arms[first : first + room]

    def _seconds_left(self) -> float | None:
        paces = [each.step_seconds for each in self.arms if each.step_seconds is not None]
        return fmean(paces) * sum(each.steps_left for each in self.arms) / self.jobs if paces else None


def _rounded(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _duration(seconds: float | None) -> str:
    return "–" if seconds is None else str(timedelta(seconds=round(seconds)))
