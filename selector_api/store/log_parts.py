"""What is told of a run's log: places in it, stretches of it, the selections in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selector_api.store.codec import digest_of


@dataclass(frozen=True)
class Bookmark:
    """A place in a log: behind the event with this `seq`, 0 at its beginning."""

    seq: int
    digest: str = ""
    """SHA-1 of that event, by which one notices that a log was cut back behind it and went on differently, as
    after a failover to a Redis replica that lagged. "" if that does not matter."""

    def after(self, events: Sequence[bytes]) -> Bookmark:
        """The place behind these further events, of which there is at least one."""
        return Bookmark(self.seq + len(events), digest_of(events[-1]))


END = Bookmark(2**53)
"""Behind whatever a log holds."""


@dataclass(frozen=True)
class Known:
    """The selection that an idempotency field stands for."""

    event: bytes
    """Its `selected` event."""
    status: str
    """`open`, `committed` or `released`."""
    expires_at: int | None
    """Unix ms at which its lease ends, None if it has ended."""

    @classmethod
    def of(cls, reply: Sequence[bytes]) -> Known:
        """What scripts tell of it."""
        event, status, expires_at = reply
        return cls(event, status.decode(), int(float(expires_at)) if expires_at else None)


@dataclass(frozen=True)
class Stretch:
    """A part of a run's log."""

    events: list[bytes]
    """JSON objects, in order."""
    length: int
    """Of the whole log."""
    replay: Known | None
    """The selection that the idempotency field stands for, if it is known."""
    more_due: bool
    """Whether leases may have ended that are still to be closed: the next read goes on with them."""


@dataclass(frozen=True)
class Drawn:
    """The state that a selection was drawn from."""

    place: Bookmark
    selections: int
    """Number of selections made before."""
    changes: int
    """Number of changes before of what is drawn, and how."""
    tasks: int
    """Number of the run's tasks."""


@dataclass(frozen=True)
class Appended:
    """A selection that is in the log now."""

    event: bytes
    seq: int
