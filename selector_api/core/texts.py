"""Columns of texts, millions of them, as numpy arrays: a block of bytes and where each text ends in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from selector_api.core.arrays import BoolArray, ByteArray, HashArray, IntArray

_AT_A_TIME = 16_384
"""Texts that are hashed in one go, in about a millisecond: until then no other thread runs."""
_WORD = 8
_HALF = np.uint64(32)
_KEYS = np.array([hash(f"key {number}".encode()) for number in range(259)], np.int64).view(np.uint64)
"""Of this process alone, since Python's hash of a text is: two halves for each of 128 words, as many as an id can
have, and three more."""


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts."""

    data: ByteArray
    """All of them in UTF-8, one after another."""
    ends: IntArray
    """Shape [texts]: where each ends; it begins where the one before it ends, the first at 0."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> Texts:
        """The column of these texts."""
        encoded = [text.encode() for text in texts]
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tolist())

    def tolist(self) -> list[str]:
        """The texts."""
        return self.at(np.arange(len(self)))

    def at(self, rows: IntArray) -> list[str]:
        """The texts of these rows."""
        return [text.decode() for text in self._encoded(rows)]

    def take(self, rows: IntArray) -> Texts:
        """The column of these rows alone."""
        starts = self._starts(rows)
        lengths = self.ends[rows] - starts
        ends = np.cumsum(lengths, dtype=np.int64)
        places = np.arange(int(lengths.sum())) + np.repeat(starts - (ends - lengths), lengths)
        return Texts(self.data[places], ends)

    def equal(self, rows: IntArray, other: Texts, other_rows: IntArray) -> BoolArray:
        """Where the text of a row is that of the other column's row beside it."""
        pairs = zip(self._encoded(rows), other._encoded(other_rows), strict=True)
        return np.fromiter((one == another for one, another in pairs), np.bool_, len(rows))

    def is_at(self, encoded: bytes, row: int) -> bool:
        """Whether this is the text of a row, in UTF-8."""
        start = self.ends.item(row - 1) if row else 0
        return self.data[start : self.ends.item(row)].tobytes() == encoded

    def slice(self, start: int, end: int) -> Texts:
        """The column of these neighbours alone, which shares this one's memory."""
        before = int(self.ends[start - 1]) if start else 0
        ends = self.ends[start:end] - before
        return Texts(self.data[before : before + (int(ends[-1]) if len(ends) else 0)], ends)

    def hashes(self) -> HashArray:
        """A hash of each text, shape [texts]; another one in every process.

        Nobody who does not know this process's keys can make texts that collide: two that differ have equal sums
        of products for one in 2³² of all keys at the most (multilinear hashing).
        """
        starts = range(0, len(self), _AT_A_TIME)
        parts = [self.slice(start, min(start + _AT_A_TIME, len(self)))._hashed() for start in starts]
        return np.concatenate([np.empty(0, np.uint64), *parts])

    def _hashed(self) -> HashArray:
        block = np.append(self.data, np.zeros(_WORD, np.uint8))
        words = np.ndarray(len(self.data) + 1, "<u8", block, strides=(1,))  # the one that begins at each byte
        starts, left = np.append(0, self.ends[:-1]), np.diff(self.ends, prepend=0)
        hashes = left.astype(np.uint64) * _KEYS[-1]
        rows, pair = np.arange(len(self)), 0
        while len(rows):
            word = words[starts]
            (short,) = np.nonzero(left < _WORD)
            word[short] &= (np.uint64(1) << (8 * left[short]).astype(np.uint64)) - np.uint64(1)
            lower, upper = word & np.uint64(0xFFFFFFFF), word >> _HALF
            hashes[rows] += (lower + _KEYS[pair]) * (upper + _KEYS[pair + 1])
            (more,) = np.nonzero(left > _WORD)
            rows, starts, left = rows[more], starts[more] + _WORD, left[more] - _WORD
            pair = (pair + 2) % (len(_KEYS) - 3)
        hashes = (hashes ^ hashes >> _HALF) * (_KEYS[-2] | np.uint64(1))
        return hashes ^ hashes >> _HALF

    def _starts(self, rows: IntArray) -> IntArray:
        return np.where(rows > 0, self.ends[np.maximum(rows, 1) - 1], 0)

    def _encoded(self, rows: IntArray) -> list[bytes]:
        starts, ends = self._starts(rows), self.ends[rows]
        if not len(rows):
            return []
        # Of neighbours the block is copied once; of others each text.
        first, last = int(starts.min()), int(ends.max())
        pairs = zip((starts - first).tolist(), (ends - first).tolist(), strict=True)
        if last - first <= 2 * int((ends - starts).sum()):
            block = self.data[first:last].tobytes()
            return [block[start:end] for start, end in pairs]
        return [self.data[first + start : first + end].tobytes() for start, end in pairs]
