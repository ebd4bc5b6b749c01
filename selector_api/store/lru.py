"""A bounded memory of what was used last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Lru(Generic[T]):
    """Things by name, of which those are dropped that were not used for longest."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._things: OrderedDict[str, T] = OrderedDict()

    def get(self, name: str) -> T | None:
        """The thing of this name, which counts as a use; None if it is not there."""
        if name in self._things:
            self._things.move_to_end(name)
        return self._things.get(name)

    def put(self, name: str, thing: T) -> None:
        """Keep a thing under this name."""
        self._things[name] = thing
        self._things.move_to_end(name)
        if len(self._things) > self._capacity:
            self._things.popitem(last=False)

    def newest(self, count: int) -> list[tuple[str, T]]:
        """Names and things used last, at most `count`, the last one first. This does not count as a use."""
        return list(islice(reversed(self._things.items()), count))

    def __len__(self) -> int:
        return len(self._things)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._things.values()))

    def drop(self, name: str) -> None:
        """Keep nothing under this name."""
        self._things.pop(name, None)
