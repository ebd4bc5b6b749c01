"""What the rows of a file say of each id, and how that agrees with a pool, in some dozens of bytes a row.

Ids are compared by digests of 64 bits; whoever refuses a file for what is found looks at its rows again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from math import isnan
from typing import TYPE_CHECKING, Any, Protocol

from trainer_client import Task

if TYPE_CHECKING:
    import numpy as np

MOST_NAMED = 5
"""How many rows in conflict are named."""


class PoolTask(Protocol):
    """A task as a pool has it."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def domain(self) -> str | None:
        """Its domain."""
        ...

    @property
    def references(self) -> Mapping[str, float]:
        """Its pass rates by reference."""
        ...


@dataclass
class Overlap:
    """What a file and a pool have in common."""

    known: int = 0
    """Tasks of the pool whose ids the file has."""
    measured: int = 0
    """Those of them that have a pass rate in common, so that they are the same tasks, not only the same ids."""
    conflicts: int = 0
    """How many rows of the file say something else of them."""
    named: dict[int, PoolTask] = field(default_factory=dict[int, PoolTask])
    """Of the first conflicts the number of the file's row, from 0 on, and the pool's task."""
    extending: dict[str, int] = field(default_factory=dict[str, int])
    """By reference the number of a row that would add it to a task of the pool."""


class Census:
    """The rows of a file, counted: `rows` there are, of which `repeated` have the id of an earlier one."""

    def __init__(self, tasks: Iterable[Task]):
        import numpy as np

        digests, domains = array("Q"), array("i")
        rates: dict[str, array[float]] = {}
        codes: dict[str | None, int] = {None: 0}
        for row, task in enumerate(tasks):
            digests.append(_digest(task.id))
            domains.append(codes.setdefault(task.domain, len(codes)))
            for name in task.references.keys() - rates.keys():
                rates[name] = array("d", [float("nan")]) * row
            for name, column in rates.items():
                column.append(task.references.get(name, float("nan")))
        self.rows = len(digests)
        self._codes = codes
        self._domains = np.asarray(domains)
        self._rates = {name: np.asarray(column) for name, column in rates.items()}
        every = np.asarray(digests)
        self._order = np.argsort(every, kind="stable")
        self._digests = every[self._order]
        self.repeated = int((self._digests[1:] == self._digests[:-1]).sum())

    def measured(self, references: Iterable[str]) -> dict[str, int]:
        """How many rows have a rate of each of these references."""
        import numpy as np

        return {
            name: int((~np.isnan(self._rates[name])).sum()) if name in self._rates else 0
            for name in references
        }

    def contradiction(self) -> tuple[int, int] | None:
        """The numbers of two rows, from 0 on, that have one id and other values; None: there are none.

        Of several such pairs the one whose later row comes first.
        """
        import numpy as np

        found: list[tuple[int, int]] = []
        for column in (self._domains, *self._rates.values()):
            rows = self._order[_says(column[self._order])]
            digests = self._digests[_says(column[self._order])]
            one, other = rows[:-1], rows[1:]
            (differing,) = np.nonzero((digests[1:] == digests[:-1]) & (column[one] != column[other]))
            if len(differing):
                first = differing[np.argmin(other[differing])]
                found.append((int(other[first]), int(one[first])))
        if not found:
            return None
        later, earlier = min(found)
        return earlier, later

    def compared(self, pool: Iterable[PoolTask]) -> Overlap:
        """What the rows have in common with the tasks of a pool.

        Agreement is the service's: of the domain, if the row has one, and of the rates that both have.
        """
        overlap = Overlap()
        for task, rows in self._found(pool):
            overlap.known += 1
            rates = {
                row: [
                    mine == rate
                    for name, rate in task.references.items()
                    if (mine := self._rate(name, row)) is not None
                ]
                for row in rows
            }
            overlap.measured += any(rates.values())
            for row in rows:
                for name in self._rates.keys() - task.references.keys() - overlap.extending.keys():
                    if self._rate(name, row) is not None:
                        overlap.extending[name] = row
                if all(rates[row]) and self._domains[row] in (0, self._codes.get(task.domain)):
                    continue
                overlap.conflicts += 1
                if len(overlap.named) < MOST_NAMED:
                    overlap.named[row] = task
        return overlap

    def _rate(self, name: str, row: int) -> float | None:
        """The row's rate of a reference, if it has one."""
        column = self._rates.get(name)
        rate = None if column is None else float(column[row])
        return None if rate is None or isnan(rate) else rate

    def _found(self, pool: Iterable[PoolTask]) -> Iterator[tuple[PoolTask, list[int]]]:
        """The pool's tasks whose ids the file has, each with the numbers of the id's rows."""
        import numpy as np

        for tasks in _chunks(pool):
            wanted = np.array([_digest(task.id) for task in tasks], np.uint64)
            starts = np.searchsorted(self._digests, wanted, side="left").tolist()
            ends = np.searchsorted(self._digests, wanted, side="right").tolist()
            for task, start, end in zip(tasks, starts, ends, strict=True):
                if end > start:
                    yield task, self._order[start:end].tolist()


def differences(one: PoolTask, other: PoolTask) -> tuple[str, str]:
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


def _says(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Where there is a domain (a code but 0) or a rate (a number)."""
    import numpy as np

    return ~np.isnan(values) if values.dtype.kind == "f" else values != 0


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def _chunks(tasks: Iterable[PoolTask], size: int = 10_000) -> Iterator[list[PoolTask]]:
    chunk: list[PoolTask] = []
    for task in tasks:
        chunk.append(task)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
