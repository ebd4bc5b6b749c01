"""Where the time of a call goes: to Redis, to folding events, to drawing a batch.

Whoever wants to know opens a `measured()` block; what runs inside it, in the same asyncio context, adds its
seconds. Outside of one nothing is kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias

Phase: TypeAlias = Literal["fold", "draw", "redis"]
Seconds: TypeAlias = dict[Phase, float]

_seconds: ContextVar[Seconds | None] = ContextVar("seconds", default=None)


@contextmanager
def measured() -> Iterator[Seconds]:
    """Collect the seconds of each phase that runs inside; one that does not run is not in it."""
    seconds: Seconds = {}
    token = _seconds.set(seconds)
    try:
        yield seconds
    finally:
        _seconds.reset(token)


@contextmanager
def phase(name: Phase) -> Iterator[None]:
    """Add the time that the block takes to this phase."""
    seconds = _seconds.get()
    if seconds is None:
        yield
        return
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started
