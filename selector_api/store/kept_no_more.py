"""What the store refuses of a call because it keeps it no more."""

from __future__ import annotations

from dataclasses import dataclass

from selector_api.store.errors import CallError


@dataclass(eq=False)
class PastHorizon(CallError):
    """What was asked for is so old that of it no more is kept than that it was: nothing can be counted twice."""

    field: str
    """Which names it: `selection` or `key`."""
    days: float
    """The horizon."""
    code = "past-horizon"

    def __post_init__(self) -> None:
        kept = f"what is older than the horizon ({self.days:g} days) and has ended is in the log alone"
        self.detail = (
            f"selection: the run has forgotten it: {kept}, so nothing of it is taken any more; select anew"
            if self.field == "selection"
            else f"key: it was used before, and what it stood for is forgotten: {kept}; use another key"
        )


@dataclass(eq=False)
class EventsDropped(CallError):
    """The first events of a run's log are in a file alone."""

    count: int
    """How many."""
    code = "events-dropped"

    def __post_init__(self) -> None:
        self.detail = (
            f"after: the first {self.count} events of the run are in a file alone, where `bots run archive` has "
            f"put them; read on with after={self.count}, or join both with `bots run export --archive FILE`"
        )
