"""What the calls of training steps cost of late, by run, as this process has measured them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Literal, TypeAlias

from selector_api.store.lru import Lru

KEPT = 200
"""Calls of each kind by which a run is told: the last ones."""
StepCall: TypeAlias = Literal["select", "report"]


class Costs:
    """Seconds of the last calls of the runs used last; those that failed do not count."""

    def __init__(self, runs: int = 64) -> None:
        self._seconds: Lru[dict[StepCall, deque[float]]] = Lru(runs)

    @contextmanager
    def timed(self, call: StepCall, run: str) -> Generator[None, None, None]:
        """Count the time that the block takes as that of a call of this run."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        known: dict[StepCall, deque[float]] | None = self._seconds.get(run)
        if known is None:
            known = {"select": deque[float](maxlen=KEPT), "report": deque[float](maxlen=KEPT)}
            self._seconds.put(run, known)
        known[call].append(seconds)

    def of(self, run: str, call: StepCall) -> Sequence[float]:
        """Seconds of the last calls of this run, ascending."""
        known = self._seconds.get(run)
        return [] if known is None else sorted(known[call])
