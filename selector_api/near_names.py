"""Names that are near one which is not there: what somebody who mistyped it meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

MOST_SHOWN = 80
"""Characters of a name that a message shows."""
_MOST_COMPARED = 1_000
"""Names to compare with; each takes about ten microseconds."""
_MOST_NAMED = 3


def near_names(name: str, known: Collection[str]) -> list[str]:
    """At most three of the known names, the nearest first.

    Of very many only those that begin alike, or end alike, are compared: a page of errors must not keep a service
    from its work.
    """
    candidates: Iterable[str] = known
    if len(known) > _MOST_COMPARED:
        half = len(name) // 2
        candidates = (each for each in known if each[:half] == name[:half] or each[half:] == name[half:])
    return get_close_matches(name, list(islice(candidates, _MOST_COMPARED)), _MOST_NAMED, 0.6)


def shown(name: str) -> str:
    """A name that a caller gave as a message shows it: quoted, bounded, and nothing that cannot be printed."""
    cut = name if len(name) <= MOST_SHOWN else f"{name[:MOST_SHOWN]}…"
    return f"'{''.join(character if character.isprintable() else '?' for character in cut)}'"


def listed(names: Iterable[str]) -> str:
    """Names in a message, quoted and separated by commas."""
    return ", ".join(map(shown, names))


def hint(name: str, known: Collection[str], most: int = 10) -> str:
    """What to say behind "there is no such …": the near names, else all of a few, else nothing.

    It begins with a semicolon, unless it is empty.
    """
    near = near_names(name, known)
    if near:
        return f"; near it: {listed(near)}"
    if 0 < len(known) <= most:
        return f"; there are: {listed(known)}"
    return ""
