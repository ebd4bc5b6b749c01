"""Where the time of a call goes: to Redis, to folding events, to drawing a batch, to waiting for its turn.

Whoever wants to know opens a `measured()` block; what runs inside it, in the same asyncio context, adds its
seconds. Outside of one nothing is kept. No second counts twice: what a phase inside another one takes is not
the outer one's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Timing: TypeAlias = Literal["fold", "draw", "redis", "wait"]
"""`wait`: for other calls, which hold the run's state or all of the threads."""
Seconds: TypeAlias = dict[Timing, float]


@dataclass
class _Measurement:
    seconds: Seconds = field(default_factory=dict)
    inside: float = 0.0
    """Seconds that were counted since the phase that runs now began."""

    def add(self, name: Timing, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


_measurement: ContextVar[_Measurement | None] = ContextVar("measurement", default=None)


@contextmanager
def measured() -> Iterator[Seconds]:
    """Collect the seconds of each phase that runs inside; one that does not run is not in it."""
    measurement = _Measurement()
    token = _measurement.set(measurement)
    try:
        yield measurement.seconds
    finally:
        _measurement.reset(token)


@contextmanager
def phase(name: Timing) -> Iterator[None]:
    """Add the time that the block takes to this phase, but for that of phases inside it."""
    measurement = _measurement.get()
    if measurement is None:
        yield
        return
    before, measurement.inside = measurement.inside, 0.0
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - started
        measurement.add(name, seconds - measurement.inside)
        measurement.inside = before + seconds


def waited(seconds: float) -> None:
    """Count seconds that have just passed as `wait`, and not as the phase around them."""
    measurement = _measurement.get()
    if measurement is not None:
        measurement.add("wait", seconds)
        measurement.inside += seconds


@asynccontextmanager
async def held(lock: asyncio.Lock) -> AsyncIterator[None]:
    """Hold a lock. The time until it is free is `wait`."""
    with phase("wait"):
        await lock.acquire()
    try:
        yield
    finally:
        lock.release()
