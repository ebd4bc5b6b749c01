"""Tasks as they come: in columns, to be added to a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from selector_api.core.arrays import CodeArray, FloatArray, IntArray
from selector_api.core.texts import Texts

UNTOLD = -1
"""The domain code of a task that was named without its domain."""


@dataclass(frozen=True, eq=False)
class TaskRows:
    """Tasks in columns of equal length."""

    ids: Texts
    domains: tuple[str, ...]
    """Names, each once; a domain's code is its position."""
    domain_codes: CodeArray
    """The domain code of each task, or `UNTOLD`."""
    references: Mapping[str, FloatArray]
    """Pass rates by reference, NaN where a task was not measured."""

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        domains: Sequence[str | None],
        references: Sequence[Mapping[str, float]],
    ) -> TaskRows:
        """The tasks with these ids, domains (None: not told) and references."""
        codes = {
            name: code
            for code, name in enumerate(dict.fromkeys(name for name in domains if name is not None))
        }
        names = dict.fromkeys(name for rates in references for name in rates)
        return cls(
            Texts.of(ids),
            tuple(codes),
            np.array([UNTOLD if name is None else codes[name] for name in domains], np.int32),
            {name: np.array([rates.get(name, np.nan) for rates in references], np.float64) for name in names},
        )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: IntArray) -> TaskRows:
        """These rows alone."""
        return TaskRows(
            self.ids.take(rows),
            self.domains,
            self.domain_codes[rows],
            {name: rates[rows] for name, rates in self.references.items()},
        )

    def slice(self, start: int, end: int) -> TaskRows:
        """These neighbours alone, which share the memory of these rows."""
        rows = slice(start, end)
        references = {name: rates[rows] for name, rates in self.references.items()}
        return TaskRows(self.ids.slice(start, end), self.domains, self.domain_codes[rows], references)

    def domain(self, row: int) -> str | None:
        """The domain of a task, None if it was not told."""
        code = int(self.domain_codes[row])
        return None if code == UNTOLD else self.domains[code]

    def rates(self, row: int) -> dict[str, float]:
        """The references that a task was measured with."""
        return {
            name: float(rates[row]) for name, rates in self.references.items() if rates[row] == rates[row]
        }

    def told(self) -> list[tuple[str, str | None, dict[str, float]]]:
        """The tasks one by one: id, domain and references."""
        return [(id_, self.domain(row), self.rates(row)) for row, id_ in enumerate(self.ids.tolist())]
