"""What became of a report, and of a lease."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a report stands among those of its client's outbox."""

    incarnation: str
    """Of the run."""
    number: int
    """From 1. One that was given before is given again where Redis has lost the reports from there on."""


@dataclass(frozen=True)
class Reported:
    """What became of a report."""

    accepted: int
    duplicates: int
    remaining: int
    """Tasks of the selection without an outcome."""
    committed: bool
    """Whether all outcomes known of the selection, at least one, have entered the posteriors."""
    step: int
    """The run's number of commits after the call."""
    differing: int = 0
    """Outcomes with other values than what stands."""
    dropped: int = 0
    differing_tasks: tuple[str, ...] = ()
    """Up to ten of those that differ."""
    place: Place | None = None
    """None without an outbox."""


@dataclass(frozen=True)
class Lease:
    """Where a selection stands."""

    status: str
    expires_at: int | None = None
    """Unix ms at which its lease ends, None if it has ended."""
    step: int | None = None
    """The run's number of commits, where that may have changed."""
