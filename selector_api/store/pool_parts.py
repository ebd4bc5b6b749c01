"""What is told of a pool, and of changes of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Added:
    """What became of tasks that were sent."""

    inserted: int
    unchanged: int
    tasks: int
    """How many the pool has now."""
    extended: int = 0
    """Tasks that were there and got further references."""


@dataclass(frozen=True)
class Registration:
    """A pool as a run found it when it registered."""

    incarnation: str
    tasks: int
    chunks: int
