"""The task table: what a pool knows of its tasks, in columns.

A pool may hold ten million tasks, so ids are kept as one block of bytes with offsets, and are found through
their sorted hashes: about 40 bytes a task beside the id itself, where a dict of strings takes about 200.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np

from selector_api.core.arrays import CodeArray, FloatArray, IntArray

DEFAULT_DOMAIN = "default"
"""The domain of a task that names none."""
_MOST_COMPARED = 20_000


@dataclass(frozen=True)
class TaskTable:
    """The tasks of a pool in the order of their arrival. Immutable: `extended` gives a longer table.

    A task is known by its index, 0 to len − 1, which never changes.
    """

    domains: tuple[str, ...]
    """Domain names; a domain's code is its position."""
    domain_codes: CodeArray
    """Shape [tasks]: the domain code of each task."""
    reference_names: tuple[str, ...]
    _references: dict[str, FloatArray] = field(repr=False)
    _text: bytes = field(repr=False)
    _ends: IntArray = field(repr=False)
    _hashes: IntArray = field(repr=False)
    _by_hash: IntArray = field(repr=False)

    @classmethod
    def empty(cls) -> TaskTable:
        """A table without tasks."""
        none = np.empty(0, np.int64)
        return cls((), np.empty(0, np.int32), (), {}, b"", none, none, none)

    def __len__(self) -> int:
        return len(self._ends)

    def reference(self, name: str) -> FloatArray:
        """Pass rates of the reference `name`, shape [tasks], NaN where it was not measured."""
        rates = self._references.get(name)
        return np.full(len(self), np.nan) if rates is None else rates

    def reference_counts(self) -> dict[str, int]:
        """How many tasks were measured with each reference."""
        return {name: int((~np.isnan(self.reference(name))).sum()) for name in self.reference_names}

    def domain_counts(self) -> dict[str, int]:
        """Number of tasks by domain name."""
        counts = np.bincount(self.domain_codes, minlength=len(self.domains))
        return dict(zip(self.domains, counts.tolist(), strict=True))

    def ids(self, tasks: IntArray) -> list[str]:
        """The ids of the tasks with these indices."""
        ends = self._ends[tasks]
        starts = np.where(tasks > 0, self._ends[np.maximum(tasks, 1) - 1], 0)
        text = self._text
        return [text[start:end].decode() for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]

    def first_ids(self, tasks: int) -> list[str]:
        """Ids of at most the first `tasks` tasks, to compare one with that is not found; of many only some."""
        return self.ids(np.arange(min(tasks, len(self), _MOST_COMPARED)))

    def find(self, ids: Sequence[str]) -> IntArray:
        """The indices of these ids, shape [len(ids)], −1 where an id is unknown."""
        found = np.full(len(ids), -1, np.int64)
        if not ids or not len(self):
            return found
        hashes = _hash_ids([id_.encode() for id_ in ids])
        position = np.searchsorted(self._hashes, hashes)
        # Two ids may share a hash: walk along equal hashes until the id itself agrees.
        pending = np.arange(len(ids))
        while len(pending):
            inside = position[pending] < len(self)
            pending = pending[inside]
            same_hash = self._hashes[position[pending]] == hashes[pending]
            pending = pending[same_hash]
            candidates = self._by_hash[position[pending]]
            agrees = np.array(
                [ids[i] == id_ for i, id_ in zip(pending.tolist(), self.ids(candidates), strict=True)], bool
            )
            found[pending[agrees]] = candidates[agrees]
            pending = pending[~agrees]
            position[pending] += 1
        return found

    def containing(self, text: str) -> IntArray:
        """The indices of the tasks whose id has this text somewhere, ascending; `text` is not empty."""
        wanted = text.encode()
        places: list[int] = []
        at = self._text.find(wanted)
        while at >= 0:
            places.append(at)
            at = self._text.find(wanted, at + 1)
        starts = np.array(places, np.int64)
        tasks = np.searchsorted(self._ends, starts, side="right")
        return np.unique(tasks[starts + len(wanted) <= self._ends[tasks]])

    def extended(
        self,
        ids: Sequence[str],
        domains: Sequence[str],
        references: Sequence[Mapping[str, float]],
    ) -> TaskTable:
        """This table with tasks added at its end; the three columns have equal length.

        The ids must be new and distinct: the caller has looked them up with `find`.
        """
        size = len(self) + len(ids)
        encoded = [id_.encode() for id_ in ids]
        codes = {name: code for code, name in enumerate(self.domains)}
        new_codes = np.array([codes.setdefault(name, len(codes)) for name in domains], np.int32)

        columns: dict[str, FloatArray] = {}
        for name in dict.fromkeys((*self.reference_names, *(name for row in references for name in row))):
            column = np.full(size, np.nan)
            column[: len(self)] = self.reference(name)
            column[len(self) :] = [row.get(name, np.nan) for row in references]
            column += 0.0  # −0.0 and 0.0 are one rate
            columns[name] = column

        lengths = np.array([len(text) for text in encoded], np.int64)
        hashes = _hash_ids(encoded)
        order = np.argsort(hashes, kind="stable")
        place = np.searchsorted(self._hashes, hashes[order], side="right")
        return TaskTable(
            domains=tuple(codes),
            domain_codes=np.concatenate([self.domain_codes, new_codes]),
            reference_names=tuple(columns),
            _references=columns,
            _text=self._text + b"".join(encoded),
            _ends=np.concatenate([self._ends, len(self._text) + np.cumsum(lengths)]),
            _hashes=np.insert(self._hashes, place, hashes[order]),
            _by_hash=np.insert(self._by_hash, place, order + len(self)),
        )

    def measured(self, tasks: IntArray, references: Sequence[Mapping[str, float]]) -> TaskTable:
        """This table once further references were measured of these tasks."""
        columns = dict(self._references)
        for name in dict.fromkeys(name for row in references for name in row):
            column = self.reference(name).copy()
            for task, row in zip(tasks.tolist(), references, strict=True):
                if name in row:
                    column[task] = row[name] + 0.0
            columns[name] = column
        return replace(self, reference_names=tuple(columns), _references=columns)


def _hash_ids(ids: Sequence[bytes]) -> IntArray:
    digests = b"".join([blake2b(id_, digest_size=8).digest() for id_ in ids])
    return np.frombuffer(digests, np.int64).copy()
