"""What became of a report, and of a lease."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a report stands among those of its client's outbox."""

    incarnation: str
    """Of the run."""
    number: int
    """From 1."""
    taken: tuple[tuple[int, int], ...] = ()
    """The numbers of the outbox's reports that are in the run's log, from the first to the last of each stretch."""

    @classmethod
    def of(cls, incarnation: str, number: int, taken: bytes) -> Place | None:
        """What the scripts tell of it; None without an outbox."""
        if not number:
            return None
        ranges = (part.split(b"-") for part in taken.split(b",") if part)
        return cls(incarnation, number, tuple((int(first), int(last)) for first, last in ranges))


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
