"""What was ever counted of single tasks: successes, trials and drops. Sparse: most tasks were never reported."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.growing import with_room

MAX_COOLDOWN = 1024
"""Commits for which a task is left out at the most, however often it was dropped."""


class Tallies:
    """All-time sums by task, and which tasks cool down after drops.

    Row r belongs to task _task[r]; a task without a row was neither reported nor dropped.
    """

    def __init__(self) -> None:
        self._row_of_task = np.empty(0, np.int32)
        self._rows = 0
        self._task = np.empty(0, np.int64)
        self._successes = np.empty(0, np.float64)
        self._trials = np.empty(0, np.int64)
        self._dropped = np.empty(0, np.int64)
        self._in_a_row: dict[int, tuple[int, int]] = {}
        """Of tasks dropped since their last outcome: how often, and the step from which they may be drawn again."""

    def of_tasks(self, tasks: IntArray) -> tuple[FloatArray, IntArray, IntArray]:
        """All-time successes, trials and drops of each of these tasks."""
        rows = self._row_of_task[tasks]
        known = rows >= 0
        successes = np.zeros(len(tasks))
        trials, dropped = np.zeros(len(tasks), np.int64), np.zeros(len(tasks), np.int64)
        successes[known] = self._successes[rows[known]]
        trials[known] = self._trials[rows[known]]
        dropped[known] = self._dropped[rows[known]]
        return successes, trials, dropped

    def of_all(self) -> tuple[IntArray, FloatArray, IntArray, IntArray]:
        """The tasks that were ever reported or dropped, and the successes, trials and drops of each."""
        rows = slice(self._rows)
        return self._task[rows], self._successes[rows], self._trials[rows], self._dropped[rows]

    def cooling(self, step: int) -> IntArray:
        """The tasks that are left out of selections at this step, ascending."""
        return np.array(sorted(t for t, (_, until) in self._in_a_row.items() if step < until), np.int64)

    def cooling_count(self, step: int) -> int:
        """How many tasks are left out of selections at this step."""
        return sum(step < until for _, until in self._in_a_row.values())

    def grow(self, size: int) -> None:
        """Make room for tasks that joined."""
        self._row_of_task = with_room(self._row_of_task, size, -1)

    def count(self, tasks: IntArray, successes: FloatArray, trials: FloatArray) -> None:
        """Add outcomes of distinct tasks: each may be drawn again."""
        rows = self._rows_for(tasks)
        self._successes[rows] += successes
        self._trials[rows] += trials.astype(np.int64)
        if self._in_a_row:
            for task in tasks.tolist():
                self._in_a_row.pop(task, None)

    def drop(self, tasks: IntArray, step: int) -> None:
        """Add drops of distinct tasks at this step: after d in a row a task rests for 2^(d−1) commits."""
        rows = self._rows_for(tasks)  # first: it may move the columns
        self._dropped[rows] += 1
        for task in tasks.tolist():
            times = self._in_a_row.get(task, (0, 0))[0] + 1
            rest = MAX_COOLDOWN if times > MAX_COOLDOWN.bit_length() else 1 << (times - 1)
            self._in_a_row[task] = (times, step + rest)

    def _rows_for(self, tasks: IntArray) -> IntArray:
        """The row of each of these distinct tasks; tasks without one get an empty one."""
        fresh = tasks[self._row_of_task[tasks] < 0]
        needed = self._rows + len(fresh)
        if needed > len(self._task):
            spare = max(needed, 2 * len(self._task)) - len(self._task)
            for name in ("_task", "_successes", "_trials", "_dropped"):
                column = getattr(self, name)
                setattr(self, name, np.concatenate([column, np.zeros(spare, column.dtype)]))
        rows = np.arange(self._rows, needed)
        self._row_of_task[fresh] = rows
        self._task[rows] = fresh
        self._rows = needed
        return self._row_of_task[tasks].astype(np.int64)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restored` needs."""
        rows = slice(self._rows)
        in_a_row = [(task, *entry) for task, entry in sorted(self._in_a_row.items())]
        return {
            "counted": self._task[rows],
            "successes": self._successes[rows],
            "trials": self._trials[rows],
            "dropped": self._dropped[rows],
            "in_a_row": np.array(in_a_row, np.int64).reshape(-1, 3),
        }

    @classmethod
    def restored(cls, size: int, arrays: Mapping[str, np.ndarray]) -> Tallies:
        """The tallies that `to_arrays` was called on."""
        tallies = cls()
        tallies.grow(size)
        rows = tallies._rows_for(arrays["counted"])
        tallies._successes[rows] = arrays["successes"]
        tallies._trials[rows] = arrays["trials"]
        tallies._dropped[rows] = arrays["dropped"]
        tallies._in_a_row = {task: (times, until) for task, times, until in arrays["in_a_row"].tolist()}
        return tallies
