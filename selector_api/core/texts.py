"""Columns of texts, millions of them, as numpy arrays: a block of bytes and where each text ends in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from selector_api.core.arrays import BoolArray, ByteArray, HashArray, IntArray

_WORD = 8
_AT_A_TIME = 16_384
"""Texts that are hashed in one go: what they need in between then stays in the processor's cache."""
# Secret, so that nobody can send ids that all have one hash; odd, so that multiplying loses nothing.
_START, _FACTOR = (np.frombuffer(os.urandom(2 * _WORD), np.uint64) | np.uint64(1)).tolist()
_KEPT = np.array([(1 << 8 * size) - 1 for size in range(_WORD + 1)], np.uint64)
"""The bits of a word that belong to a text of which so many bytes are left."""


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

    def starts(self, rows: IntArray) -> IntArray:
        """Where the texts of these rows begin."""
        return np.where(rows > 0, self.ends[np.maximum(rows, 1) - 1], 0)

    def take(self, rows: IntArray) -> Texts:
        """The column of these rows alone."""
        starts = self.starts(rows)
        lengths = self.ends[rows] - starts
        ends = np.cumsum(lengths, dtype=np.int64)
        places = np.arange(int(lengths.sum())) + np.repeat(starts - (ends - lengths), lengths)
        return Texts(self.data[places], ends)

    def tolist(self) -> list[str]:
        """The texts."""
        return self.at(np.arange(len(self)))

    def at(self, rows: IntArray) -> list[str]:
        """The texts of these rows."""
        pairs = zip(self.starts(rows).tolist(), self.ends[rows].tolist(), strict=True)
        return [self.data[start:end].tobytes().decode() for start, end in pairs]

    def hashes(self) -> HashArray:
        """A hash of each text, shape [texts]; another one in every process."""
        hashes = np.empty(len(self), np.uint64)
        words = _Words(self.data)
        for start in range(0, len(self), _AT_A_TIME):
            part = slice(start, min(start + _AT_A_TIME, len(self)))
            hashes[part] = self._hashed(words, part)
        return hashes

    def equal(self, rows: IntArray, other: Texts, other_rows: IntArray) -> BoolArray:
        """Where the text of a row is that of the other column's row beside it."""
        starts, other_starts = self.starts(rows), other.starts(other_rows)
        lengths = self.ends[rows] - starts
        alike = lengths == other.ends[other_rows] - other_starts
        words, other_words = _Words(self.data), _Words(other.data)
        (left,) = np.nonzero(alike)
        for offset in range(0, int(lengths.max(initial=0)), _WORD):
            left = left[lengths[left] > offset]
            kept = _KEPT[np.minimum(lengths[left] - offset, _WORD)]
            ours, theirs = words.at(starts[left] + offset), other_words.at(other_starts[left] + offset)
            agrees = ((ours ^ theirs) & kept) == 0
            alike[left[~agrees]] = False
            left = left[agrees]
        return alike

    def _hashed(self, words: _Words, part: slice) -> HashArray:
        ends = self.ends[part]
        starts = np.concatenate([self.ends[part.start - 1 : part.start] if part.start else [0], ends[:-1]])
        lengths = ends - starts
        hashes = lengths.astype(np.uint64) * np.uint64(_START)
        left = np.arange(len(ends))
        for offset in range(0, int(lengths.max(initial=0)), _WORD):
            left = left[lengths[left] > offset]
            word = words.at(starts[left] + offset) & _KEPT[np.minimum(lengths[left] - offset, _WORD)]
            mixed = (hashes[left] ^ word) * np.uint64(_FACTOR)
            hashes[left] = mixed ^ (mixed >> np.uint64(32))
        return hashes * np.uint64(_FACTOR)  # whose upper bits hang on every bit of the text


def joined(columns: Sequence[Texts]) -> Texts:
    """The columns one after another."""
    offsets = np.cumsum([0, *(len(column.data) for column in columns)]).tolist()
    ends = [column.ends + offset for column, offset in zip(columns, offsets, strict=False)]
    return Texts(
        np.concatenate([np.empty(0, np.uint8), *(column.data for column in columns)]),
        np.concatenate([np.empty(0, np.int64), *ends]),
    )


class _Words:
    """Bytes, read eight at a time from any place on."""

    def __init__(self, data: ByteArray) -> None:
        if len(data) < _WORD:
            data = np.concatenate([data, np.zeros(_WORD, np.uint8)])
        self._last = len(data) - _WORD
        self._words = np.ndarray((self._last + 1,), "<u8", np.ascontiguousarray(data), strides=(1,))

    def at(self, places: IntArray) -> HashArray:
        """The bytes from each place on as a number, the first one lowest; 0 behind the end."""
        inside = np.minimum(places, self._last)
        return self._words[inside] >> (8 * (places - inside)).astype(np.uint64)
