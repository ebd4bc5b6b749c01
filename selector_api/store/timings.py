"""Where the time of a call goes: to Redis, to folding events, to drawing a batch, to waiting for its turn.

Whoever wants to know opens a `measured()` block; what runs inside it, in the same asyncio context, adds its
seconds. Outside of one nothing is kept. No second counts twice: what a timed block inside another one takes is
not the outer one's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Timing: TypeAlias = Literal["fold", "draw", "redis", "wait"]
"""`wait`: for other calls, which hold the run's state or all of the threads."""
Timings: TypeAlias = dict[Timing, float]
"""Seconds of each."""


@dataclass
class _Measurement:
    timings: Timings = field(default_factory=dict[Timing, float])
    inside: float = 0.0
    """Seconds that were counted since the timed block that runs now began."""

    def add(self, name: Timing, seconds: float) -> None:
        self.timings[name] = self.timings.get(name, 0.0) + seconds


_measurement: ContextVar[_Measurement | None] = ContextVar("measurement", default=None)


@contextmanager
def measured() -> Generator[Timings, None, None]:
    """Collect the timings of what runs inside; one that nothing counts to is not among them."""
    measurement = _Measurement()
    token = _measurement.set(measurement)
    try:
        yield measurement.timings
    finally:
        _measurement.reset(token)


@contextmanager
def timed(name: Timing) -> Generator[None, None, None]:
    """Add the time that the block takes to this timing, but for that of timed blocks inside it."""
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
    """Count seconds that have just passed as `wait`, and not as the timing of the block around them."""
    measurement = _measurement.get()
    if measurement is not None:
        measurement.add("wait", seconds)
        measurement.inside += seconds


@asynccontextmanager
async def held(lock: asyncio.Lock) -> AsyncGenerator[None, None]:
    """Hold a lock. The time until it is free is `wait`."""
    with timed("wait"):
        await lock.acquire()
    try:
        yield
    finally:
        lock.release()
