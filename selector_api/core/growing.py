"""Columns that grow at their end without being copied each time."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)

CLAIMING = threading.Lock()
"""Held for the moment in which shared memory is taken; what was taken is written without it."""


class _Room(Generic[Scalar]):
    """Memory that columns share, of which the first `used` entries are taken."""

    def __init__(self, array: npt.NDArray[Scalar], used: int) -> None:
        self.array = array
        self.used = used


class Growing(Generic[Scalar]):
    """A column whose entries stay: `appended` gives a longer one, in the same memory where there is room.

    So n additions together cost what the last column has entries, and each earlier column remains as it was.
    """

    def __init__(self, values: npt.NDArray[Scalar]) -> None:
        self._room = _Room(values, len(values))
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def appended(self, more: npt.NDArray[Scalar]) -> Growing[Scalar]:
        """The column with `more` behind it."""
        size = len(self) + len(more)
        room = self._room
        with CLAIMING:
            is_free = room.used == len(self) and size <= len(room.array)
            if is_free:
                room.used = size
        if not is_free:  # no room, or another column goes on from here
            room = _Room(np.empty(max(size, 2 * len(self)), self.values.dtype), size)
            room.array[: len(self)] = self.values
        room.array[len(self) : size] = more
        longer = Growing(room.array[:size])
        longer._room = room
        return longer


def with_room(array: npt.NDArray[Scalar], size: int, fill: int) -> npt.NDArray[Scalar]:
    """The array with `fill` behind its entries, up to `size` or a little more: so growing costs what is new."""
    if size <= len(array):
        return array
    longer = np.empty(max(size, len(array) * 5 // 4), array.dtype)
    longer[: len(array)] = array
    longer[len(array) :] = fill
    return longer
