"""How far a long job is and how long it will take: a bar on a terminal, else a line now and then."""

import math
import time
from datetime import timedelta
from types import TracebackType
from typing import Self

import typer

from services.command_line.output import progress_bar
from services.command_line.waiting import silence


class Pace:
    """Tells on stderr how many of `total` are done; use it as a context manager."""

    def __init__(self, description: str, total: int):
        self._description = description
        self._total = total
        self._bar = progress_bar()
        # Steps may be minutes apart: the time left comes from all of them, not from those of the last seconds.
        self._bar.speed_estimate_period = math.inf
        self.done = 0

    def __enter__(self) -> Self:
        self._started = self._told = time.monotonic()
        self._bar.start()
        self._shown = self._bar.add_task(self._description, total=self._total)
        self._bar.advance(self._shown, 0)  # the time that the first step takes counts too
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    @property
    def rate(self) -> float:
        """How many were done a second so far."""
        return self.done / max(time.monotonic() - self._started, 1e-9)

    def advance(self, count: int) -> None:
        """Say that `count` more are done."""
        self.done += count
        self._bar.advance(self._shown, count)
        now = time.monotonic()
        if self._bar.disable and now - self._told >= silence(now - self._started):
            self._told = now
            left = timedelta(seconds=round((self._total - self.done) / self.rate))
            typer.echo(
                f"{self._description}: {self.done:,} of {self._total:,}, {self.rate:.2f} a second, {left} left",
                err=True,
            )
