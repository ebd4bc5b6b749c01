"""What can go wrong in the store: a `StoreError`, and a `CallError` where callers of the service are told of it.

Here is what can happen to the store itself; what it refuses of a call is in `refusals`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar


class StoreError(Exception):
    """Any failure of the store. Its text is for whoever runs the service."""


class UnusableUrl(StoreError):
    """The address of Redis has options that there are not, or with other values than they take."""


class UnsupportedServer(StoreError):
    """The Redis server is older than this service needs."""


class EmbeddedServerFailed(StoreError):
    """The embedded Valkey cannot be found or does not start."""


class DataFolderInUse(StoreError):
    """Another service runs on the data folder; `url` is where its Valkey listens, if that is known."""

    def __init__(self, message: str, url: str | None) -> None:
        super().__init__(message)
        self.url = url


class TokenConflict(StoreError):
    """A token of this name is there already."""

    def __init__(self, name: str) -> None:
        revoke = f"`bots token revoke {shlex.quote(name)}`"
        super().__init__(
            f"a token named {name!r} exists: delete it first, with {revoke}, or choose another name"
        )
        self.name = name


class CallError(StoreError):
    """A failure that callers of the service are told of."""

    code: ClassVar[str]
    """What programs read: it names the problem (`web/problems.py`)."""
    detail: str
    """What people read: the field that is wrong, the name that was sent, and what to do; no other value that was
    sent. Where an error is of one entry among many, whoever answers puts the entry's place before it."""

    def __str__(self) -> str:
        return self.detail


class StoreUnavailable(CallError):
    """Redis does not answer or refuses writes; the same call may succeed later. Its text is for the log.

    Args:
        message: what happened.
        state: of Redis, in a few words for callers.
    """

    code = "store-unavailable"
    __str__ = StoreError.__str__

    def __init__(self, message: str = "", state: str = "does not answer") -> None:
        super().__init__(message)
        self.detail = f"Redis {state}; try again shortly"


class UnreadableData(CallError):
    """Something in Redis is damaged or was written by a later version. Its text is for the log."""

    code = "unreadable-data"
    detail = "its data was written by another release or is damaged; the service's log tells more"
    __str__ = StoreError.__str__


@dataclass(eq=False)
class Overloaded(CallError):
    """Too many callers change the same thing at once; the same call may succeed later."""

    field: str
    """Which names this thing."""
    code = "overloaded"

    def __post_init__(self) -> None:
        self.detail = f"{self.field}: too many calls compete for it; try again shortly"
