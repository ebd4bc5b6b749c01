"""What the rows of a file say of each id, and how that agrees with a pool, in some dozens of bytes a row.

Ids are compared by hashes of 64 bits; whoever refuses a file for what is found looks at its rows again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from services.task_files.task_batch import TaskBatch
from trainer_client import Task

MOST_NAMED = 5
"""How many rows in conflict are named."""

Places = npt.NDArray[np.int64]


@dataclass
class Overlap:
    """What a file and a pool have in common."""

    known: int = 0
    """Tasks of the pool whose ids the file has."""
    measured: int = 0
    """Those of them that have a pass rate in common, so that they are the same tasks, not only the same ids."""
    conflicts: int = 0
    """How many rows of the file say something else of them."""
    named: dict[int, Task] = field(default_factory=dict[int, Task])
    """Of the first conflicts the number of the file's row, from 0 on, and the pool's task."""
    extending: dict[str, int] = field(default_factory=dict[str, int])
    """By reference the number of a row that would add it to a task of the pool."""


class Census:
    """The rows of a file, counted: `rows` there are, of which `repeated` have the id of an earlier one."""

    def __init__(self, batches: Iterable[TaskBatch]):
        hashes = [np.empty(0, np.int64)]
        domains = [np.empty(0, np.int32)]
        rates: dict[str, list[npt.NDArray[np.float64]]] = {}
        self._codes: dict[str | None, int] = {None: 0}
        self.rows = 0
        for batch in batches:
            hashes.append(batch.hashes())
            domains.append(batch.domain_codes(self._codes))
            for name in batch.references.keys() - rates.keys():
                rates[name] = [np.full(self.rows, np.nan)]
            for name, columns in rates.items():
                columns.append(batch.rates(name))
            self.rows += len(batch)
        self._domains = np.concatenate(domains)
        self._rates = {name: np.concatenate(rates.pop(name)) for name in list(rates)}
        every = np.concatenate(hashes)
        self._order = np.argsort(every, kind="stable").astype(np.int32)
        self._hashes = every[self._order]
        self.repeated = int((self._hashes[1:] == self._hashes[:-1]).sum())

    def measured(self, references: Iterable[str]) -> dict[str, int]:
        """How many rows have a rate of each of these references."""
        return {
            name: int((~np.isnan(self._rates[name])).sum()) if name in self._rates else 0
            for name in references
        }

    def contradiction(self) -> tuple[int, int] | None:
        """The numbers of two rows, from 0 on, that have one id and other values; None: there are none.

        Of several such pairs the one whose later row comes first.
        """
        if not self.repeated:
            return None
        found: list[tuple[int, int]] = []
        for column in (self._domains, *self._rates.values()):
            says = _says(column[self._order])
            rows, hashes = self._order[says], self._hashes[says]
            one, other = rows[:-1], rows[1:]
            (differing,) = np.nonzero((hashes[1:] == hashes[:-1]) & (column[one] != column[other]))
            if len(differing):
                first = differing[np.argmin(other[differing])]
                found.append((int(other[first]), int(one[first])))
        if not found:
            return None
        later, earlier = min(found)
        return earlier, later

    def compared(self, pool: Iterable[TaskBatch]) -> Overlap:
        """What the rows have in common with the tasks of a pool.

        Agreement is the service's: of the domain, if the row has one, and of the rates that both have.
        """
        overlap = Overlap()
        for batch in pool:
            self._compare(batch, overlap)
        return overlap

    def _compare(self, batch: TaskBatch, overlap: Overlap) -> None:
        tasks, rows = self._found(batch)
        overlap.known += len(np.unique(tasks))
        domains = batch.domain_codes(self._codes)
        is_other = (self._domains[rows] != 0) & (self._domains[rows] != domains[tasks])
        in_common = np.zeros(len(rows), np.bool_)
        for name, rates in self._rates.items():
            theirs = batch.rates(name)[tasks]
            mine = rates[rows]
            both = ~np.isnan(mine) & ~np.isnan(theirs)
            in_common |= both
            is_other |= both & (mine != theirs)
            (adding,) = np.nonzero(~np.isnan(mine) & np.isnan(theirs))
            if len(adding):
                overlap.extending.setdefault(name, int(rows[adding[0]]))
        overlap.measured += len(np.unique(tasks[in_common]))
        (conflicts,) = np.nonzero(is_other)
        overlap.conflicts += len(conflicts)
        for conflict in conflicts[: MOST_NAMED - len(overlap.named)].tolist():
            overlap.named[int(rows[conflict])] = batch.task(int(tasks[conflict]))

    def _found(self, batch: TaskBatch) -> tuple[Places, Places]:
        """The tasks of the batch whose ids the file has, each with each of the numbers of its rows."""
        wanted = batch.hashes()
        starts = np.searchsorted(self._hashes, wanted, side="left")
        counts = np.searchsorted(self._hashes, wanted, side="right") - starts
        tasks = np.repeat(np.arange(len(wanted)), counts)
        nth = np.arange(len(tasks)) - np.repeat(np.cumsum(counts) - counts, counts)
        return tasks, self._order[starts[tasks] + nth].astype(np.int64)


def differences(one: Task, other: Task) -> tuple[str, str]:
    """What each of two tasks of one id says where they contradict each other."""
    values = [("domain", one.domain, other.domain)]
    values += [
        (f"reference {name!r}", rate, other.references.get(name)) for name, rate in one.references.items()
    ]
    differing = [entry for entry in values if None not in entry and entry[1] != entry[2]]
    return (
        ", ".join(f"{name} {value!r}" for name, value, _ in differing),
        ", ".join(f"{name} {value!r}" for name, _, value in differing),
    )


def _says(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where there is a domain (a code but 0) or a rate (a number)."""
    return ~np.isnan(values) if values.dtype.kind == "f" else values != 0
