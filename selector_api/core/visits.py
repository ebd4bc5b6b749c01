"""What became of tasks each time they were handed out: the newest visits of a run, in a ring of bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from selector_api.core.arrays import IntArray

MAX_VISITS = 1 << 17
"""Visits that are kept: all of a thousand steps with 128 tasks each. About 5 MB."""
VisitKind: TypeAlias = Literal["group", "drop", "evaluation"]
_KINDS: tuple[VisitKind, ...] = ("group", "drop", "evaluation")
_COLUMNS: dict[str, Any] = {
    "task": np.int32,
    "step": np.int32,
    "at": np.int64,
    "mean": np.float32,
    "sd": np.float32,
    "successes": np.float32,
    "trials": np.int32,
    "informative": np.bool_,
    "version": np.int64,
    "kind": np.int8,
}


@dataclass(frozen=True)
class Visit:
    """One time that a task was handed out, or evaluated."""

    kind: VisitKind
    step: int
    """Commits after it."""
    at: int | None
    """Unix ms, if that was noted."""
    mean: float | None
    """Success probability that was expected when it was selected; None if it was not."""
    sd: float | None
    successes: float
    trials: int
    informative: bool
    version: int | None
    """The policy version that made the group, if it was told."""


class Visits:
    """The newest visits, in a ring."""

    def __init__(self) -> None:
        self._columns = {name: np.empty(0, kind) for name, kind in _COLUMNS.items()}
        self.count = 0
        """Visits ever recorded."""

    def record(self, kind: VisitKind, tasks: IntArray, step: int, at: int | None, **columns: Any) -> None:
        """Take in what happened to these tasks at once.

        Args:
            kind: what happened.
            tasks: which may repeat.
            step: commits so far.
            at: Unix ms, if it is known.
            columns: of `_COLUMNS`, each a value or one for each task; what is left out is 0, or not known.
        """
        unknown = {"mean": np.nan, "sd": np.nan, "version": -1}
        always = {"task": tasks, "step": step, "at": -1 if at is None else at, "kind": _KINDS.index(kind)}
        values: dict[str, Any] = unknown | always | columns
        left = max(0, len(tasks) - MAX_VISITS)
        self.count += left
        self._make_room(self.count + len(tasks) - left)
        rows = (self.count + np.arange(len(tasks) - left)) % MAX_VISITS
        for name, column in self._columns.items():
            value = values.get(name, 0)
            column[rows] = value[left:] if isinstance(value, np.ndarray) else value
        self.count += len(rows)

    def _make_room(self, count: int) -> None:
        size = len(self._columns["task"])
        if size < MAX_VISITS and size < count:
            wanted = min(MAX_VISITS, max(count, 2 * size, 256))
            for name, column in self._columns.items():
                self._columns[name] = np.concatenate([column, np.zeros(wanted - size, column.dtype)])

    @property
    def since(self) -> int:
        """The step from which on all visits are kept; 0: from the first."""
        return 0 if self.count <= MAX_VISITS else int(self._columns["step"][self.count % MAX_VISITS]) + 1

    def of_task(self, task: int) -> list[Visit]:
        """The visits of a task that are kept, in order."""
        filled = min(self.count, MAX_VISITS)
        (rows,) = np.nonzero(self._columns["task"][:filled] == task)
        rows = rows[np.argsort((rows - self.count) % MAX_VISITS if filled == MAX_VISITS else rows)]
        values: dict[str, list[Any]] = {name: column[rows].tolist() for name, column in self._columns.items()}
        return [self._visit({name: value[at] for name, value in values.items()}) for at in range(len(rows))]

    @staticmethod
    def _visit(row: Mapping[str, Any]) -> Visit:
        is_known = row["mean"] == row["mean"]
        return Visit(
            kind=_KINDS[int(row["kind"])],
            step=row["step"],
            at=None if row["at"] < 0 else row["at"],
            mean=row["mean"] if is_known else None,
            sd=row["sd"] if is_known else None,
            successes=row["successes"],
            trials=row["trials"],
            informative=row["informative"],
            version=None if row["version"] < 0 else row["version"],
        )

    def copy(self) -> Visits:
        """A copy that later events leave as it is."""
        visits = Visits()
        visits._columns = {name: column.copy() for name, column in self._columns.items()}
        visits.count = self.count
        return visits

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restored` needs."""
        filled = min(self.count, MAX_VISITS)
        return {"count": np.array([self.count]), **{n: c[:filled] for n, c in self._columns.items()}}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray]) -> Visits:
        """The visits that `to_arrays` was called on."""
        visits = cls()
        visits.count = int(arrays["count"][0])
        visits._columns = {name: np.array(arrays[name], kind) for name, kind in _COLUMNS.items()}
        return visits
