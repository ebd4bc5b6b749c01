"""The task table: what a pool knows of its tasks, in columns.

A pool may hold ten million tasks. Beside its id a task takes about 25 bytes here, and 8 for each reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from selector_api.core.arrays import BoolArray, CodeArray, FloatArray, HashArray, IntArray
from selector_api.core.growing import Growing
from selector_api.core.task_rows import TaskRows
from selector_api.core.text_index import TextIndex
from selector_api.core.texts import Texts

DEFAULT_DOMAIN = "default"
"""The domain of a task that names none."""
_MOST_COMPARED = 20_000
_FEW = 200
"""Ids that are faster found one by one."""
_MOST_REMEMBERED = 10_000
_NONE: IntArray = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class TaskTable:
    """The tasks of a pool in the order of their arrival. `extended` gives a longer table, and this one stays.

    A task is known by its index, 0 to len − 1, which never changes. Tables share memory with those they were made
    from: so an addition costs what is new, and what is `measured` later of a task shows in the earlier ones, too.
    """

    domains: tuple[str, ...]
    """Domain names; a domain's code is its position."""
    _codes: Growing[np.int32] = field(repr=False)
    _references: Mapping[str, Growing[np.float64]] = field(repr=False)
    _text: Growing[np.uint8] = field(repr=False)
    _ends: Growing[np.int64] = field(repr=False)
    _index: TextIndex = field(repr=False)
    _domain_counts: IntArray = field(repr=False)
    _reference_counts: Mapping[str, int] = field(repr=False)
    _told: list[tuple[tuple[str, ...], IntArray]] = field(default_factory=lambda: [((), _NONE)], repr=False)
    """Ids that were told last, and their tasks: what was drawn is looked up soon, when it is folded."""

    @classmethod
    def empty(cls) -> TaskTable:
        """A table without tasks."""
        ends = np.empty(0, np.int64)
        codes, text = Growing(np.empty(0, np.int32)), Growing(np.empty(0, np.uint8))
        return cls((), codes, {}, text, Growing(ends), TextIndex(), ends, {})

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def domain_codes(self) -> CodeArray:
        """Shape [tasks]: the domain code of each task."""
        return self._codes.values

    @property
    def reference_names(self) -> tuple[str, ...]:
        """The names of the references, as they appeared."""
        return tuple(self._references)

    def reference(self, name: str) -> FloatArray:
        """Pass rates of the reference `name`, shape [tasks], NaN where it was not measured."""
        rates = self._references.get(name)
        return np.full(len(self), np.nan) if rates is None else rates.values

    def reference_counts(self) -> dict[str, int]:
        """How many tasks were measured with each reference."""
        return dict(self._reference_counts)

    def domain_counts(self) -> dict[str, int]:
        """Number of tasks by domain name."""
        return dict(zip(self.domains, self._domain_counts.tolist(), strict=True))

    @property
    def rows(self) -> TaskRows:
        """All tasks, as they are sent."""
        references = {name: self.reference(name) for name in self.reference_names}
        return TaskRows(self.texts, self.domains, self.domain_codes, references)

    @property
    def texts(self) -> Texts:
        """The ids of all tasks."""
        return Texts(self._text.values, self._ends.values)

    def ids(self, tasks: IntArray) -> list[str]:
        """The ids of the tasks with these indices."""
        ids = self.texts.at(tasks)
        if len(ids) <= _MOST_REMEMBERED:
            self._told[0] = tuple(ids), tasks.copy()
        return ids

    def first_ids(self, tasks: int) -> list[str]:
        """Ids of at most the first `tasks` tasks, to compare one with that is not found; of many only some."""
        return self.texts.at(np.arange(min(tasks, len(self), _MOST_COMPARED)))

    def find(self, ids: Sequence[str]) -> IntArray:
        """The indices of these ids, shape [len(ids)], −1 where an id is unknown."""
        told, tasks = self._told[0]
        if tuple(ids) == told:
            return tasks.copy()
        texts = Texts.of(ids)
        hashes = texts.hashes()
        if len(ids) > _FEW:
            return self.find_texts(texts, hashes)
        mine = self.texts
        rows = (
            self._index.row_of(text_hash, partial(mine.is_at, id_.encode()))
            for id_, text_hash in zip(ids, hashes.tolist(), strict=True)
        )
        return np.fromiter(rows, np.int64, len(ids))

    def find_texts(self, texts: Texts, hashes: HashArray) -> IntArray:
        """The indices of the ids in a column, whose hashes are given; −1 where an id is unknown."""
        mine = self.texts

        def is_same(rows: IntArray, tasks: IntArray) -> BoolArray:
            return texts.equal(rows, mine, tasks)

        return self._index.find(hashes, is_same)

    def extended(self, rows: TaskRows) -> TaskTable:
        """This table with tasks added at its end, whose ids must be new and distinct.

        The caller has looked them up with `find`. A domain that is not told is `DEFAULT_DOMAIN`.
        """
        domains, codes = self._coded(rows)
        size = len(self) + len(rows)
        counts = np.bincount(codes, minlength=len(domains))
        counts[: len(self.domains)] += self._domain_counts
        columns = dict(self._references)
        measured = dict(self._reference_counts)
        for name in dict.fromkeys((*columns, *rows.references)):
            rates = rows.references.get(name)
            rates = np.full(len(rows), np.nan) if rates is None else rates + 0.0  # −0.0 and 0.0 are one rate
            columns[name] = columns.setdefault(name, Growing(self.reference(name))).appended(rates)
            measured[name] = measured.get(name, 0) + int(np.count_nonzero(~np.isnan(rates)))
        assert len(rows.domain_codes) == len(rows)
        table = TaskTable(
            domains=domains,
            _codes=self._codes.appended(codes),
            _references=columns,
            _text=self._text.appended(rows.ids.data),
            _ends=self._ends.appended(rows.ids.ends + len(self._text)),
            _index=self._index.with_rows(rows.ids.hashes()),
            _domain_counts=counts,
            _reference_counts=measured,
        )
        assert len(table) == size
        return table

    def measured(self, tasks: IntArray, references: Mapping[str, FloatArray]) -> TaskTable:
        """This table once further references were measured of these distinct tasks; NaN where they were not."""
        columns = dict(self._references)
        counts = dict(self._reference_counts)
        for name, rates in references.items():
            column = columns.setdefault(name, Growing(self.reference(name)))
            (new,) = np.nonzero(~np.isnan(rates) & np.isnan(column.values[tasks]))
            column.values[tasks[new]] = rates[new] + 0.0
            counts[name] = counts.get(name, 0) + len(new)
        return replace(self, _references=columns, _reference_counts=counts)

    def _coded(self, rows: TaskRows) -> tuple[tuple[str, ...], CodeArray]:
        """The domains once these tasks are there, and their codes."""
        codes = {name: code for code, name in enumerate(self.domains)}
        # In the order in which they appear; a name may stand in the rows' list without a task of it.
        first = np.full(len(rows.domains) + 1, len(rows))  # the last one is that of `UNTOLD`
        first[rows.domain_codes[::-1]] = np.arange(len(rows))[::-1]
        code_of = np.empty(len(first), np.int32)
        appearing: list[int] = np.argsort(first)[: np.count_nonzero(first < len(rows))].tolist()
        for code in appearing:
            name = DEFAULT_DOMAIN if code == len(rows.domains) else rows.domains[code]
            code_of[code] = codes.setdefault(name, len(codes))
        return tuple(codes), code_of[rows.domain_codes]
