"""Finding texts of a column by their hashes: an open-addressing table of row numbers, a dozen bytes a text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from selector_api.core.arrays import BoolArray, HashArray, IntArray
from selector_api.core.growing import CLAIMING, Growing

_FEWEST_SLOTS_LOG2 = 6
_FULLEST = 0.6
"""Share of the slots that may be taken."""
_AT_A_TIME = 1 << 17

Tags = npt.NDArray[np.uint32]


class TextIndex:
    """Where the rows of a column are, by the upper half of the hash of each. Immutable: `with_rows` has more.

    A row stands in the first slot that was free on its path through the slots, which its hash determines. Longer
    indexes share the slots of shorter ones: to these, a row behind their end is one of another text.
    """

    def __init__(self) -> None:
        self._tags = Growing(np.empty(0, np.uint32))
        self._slots = _Slots(_FEWEST_SLOTS_LOG2)

    def with_rows(self, hashes: HashArray) -> TextIndex:
        """The index with further rows of these hashes, whose texts are distinct and not in it."""
        longer = TextIndex()
        longer._tags = self._tags.appended((hashes >> np.uint64(32)).astype(np.uint32))
        longer._slots = self._slots.with_rows(longer._tags.values, len(self._tags))
        return longer

    def row_of(self, text_hash: int, is_row: Callable[[int], bool]) -> int:
        """The row of one text with this hash, −1 if there is none: for few this is faster than `find`."""
        tag = text_hash >> 32 & 0xFFFFFFFF
        slots, tags = self._slots, self._tags.values
        place = tag >> slots.shift
        while (row := slots.rows.item(place)) >= 0:
            if row < len(tags) and tags.item(row) == tag and is_row(row):
                return row
            place = (place + 2 * tag + 1) & slots.last
        return -1

    def find(self, hashes: HashArray, is_same: Callable[[IntArray, IntArray], BoolArray]) -> IntArray:
        """The row of each text with one of these hashes, −1 where there is none.

        Args:
            hashes: of the texts that are looked for.
            is_same: of numbers of texts that are looked for, and of a row beside each: whether they are one text.
        """
        found = np.full(len(hashes), -1, np.int64)
        tags = (hashes >> np.uint64(32)).astype(np.uint32)
        places, steps = self._slots.paths(tags)
        left = np.arange(len(hashes))
        while len(left):
            rows = self._slots.rows[places[left]]
            left, rows = left[rows >= 0], rows[rows >= 0]
            (alike,) = np.nonzero(rows < len(self._tags))
            alike = alike[self._tags.values[rows[alike]] == tags[left[alike]]]
            alike = alike[is_same(left[alike], rows[alike].astype(np.int64))]
            found[left[alike]] = rows[alike]
            left = left[found[left] < 0]
            places[left] = (places[left] + steps[left]) & np.uint32(self._slots.last)
        return found


class _Slots:
    """Row numbers, −1 where a slot is free."""

    def __init__(self, log2: int) -> None:
        self.rows = np.full(1 << log2, -1, np.int32)
        self.last = (1 << log2) - 1
        self.shift = 32 - log2
        self._used = 0

    def paths(self, tags: Tags) -> tuple[Tags, Tags]:
        """The first place of each tag's path, and the odd step to the next: it meets every slot."""
        return tags >> np.uint32(self.shift), (tags << np.uint32(1)) | np.uint32(1)

    def with_rows(self, tags: Tags, known: int) -> _Slots:
        """Slots with a row for each tag, of which the first so many are in these; they may be these themselves."""
        with CLAIMING:
            is_free = self._used == known and len(tags) <= _FULLEST * len(self.rows)
            if is_free:
                self._used = len(tags)
        if is_free:
            self._put(tags, known)
            return self
        slots = _Slots(max(_FEWEST_SLOTS_LOG2, int(len(tags) / _FULLEST).bit_length()))
        slots._used = len(tags)
        slots._put(tags, 0)
        return slots

    def _put(self, tags: Tags, first: int) -> None:
        for start in range(first, len(tags), _AT_A_TIME):
            rows = np.arange(start, min(start + _AT_A_TIME, len(tags)), dtype=np.int32)
            places, steps = self.paths(tags[rows])
            while len(rows):
                free = self.rows[places] < 0
                self.rows[places[free]] = rows[free]  # of several that want a slot, the last one has it
                (left,) = np.nonzero(self.rows[places] != rows)
                rows, steps = rows[left], steps[left]
                places = (places[left] + steps) & np.uint32(self.last)
