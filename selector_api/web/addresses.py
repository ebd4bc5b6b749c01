"""Which calls there are: the pattern of a request's address, and the methods that it takes.

Known before a request is let in, so that refusals are counted and logged by route too.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

NOWHERE = "none"
"""Stands for the pattern of every other address: what callers make up must not become a metric's label."""


class Addresses:
    """The addresses of these routes."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = [route for route in routes if isinstance(route, Route)]

    def find(self, scope: Scope) -> tuple[str, set[str]]:
        """Pattern and methods of the address that is called: Starlette itself tells those of one route."""
        here = [route for route in self._routes if route.matches(scope)[0] != Match.NONE]
        return here[0].path if here else NOWHERE, set().union(*(route.methods or () for route in here))
