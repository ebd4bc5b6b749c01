"""How single tasks differ from their classes: a row for each that was ever seen, and nothing for the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from selector_api.core.arrays import BoolArray, FloatArray, IntArray
from selector_api.core.growing import with_room


@dataclass(frozen=True)
class Own:
    """Offsets of tasks, one a row; zeros for a task that was never seen."""

    seen: BoolArray
    mean: FloatArray
    variance: FloatArray
    """When it was last seen."""
    gap: IntArray
    """Steps since."""
    practised: BoolArray
    """Whether it was trained on then, of which no outcome has told yet."""


class Offsets:
    """The offsets of tasks on the scale of logits.

    Attributes:
        tasks: those that were ever seen, ascending.
    """

    def __init__(self) -> None:
        self._row_of_task = np.empty(0, np.int32)
        self.tasks: IntArray = np.empty(0, np.int64)
        # In rows, with room behind the last, so that they are seldom copied. The first is of no task, and all zero.
        self._rows = 1
        self._task = np.zeros(1, np.int64)
        self._mean = np.zeros(1)
        self._variance = np.zeros(1)
        self._seen_at = np.zeros(1, np.int64)
        self._practised = np.zeros(1, np.bool_)

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Know what was known when `to_arrays` was called."""
        self._task, self._mean = np.array(arrays["task"]), np.array(arrays["task_mean"])
        self._variance, self._seen_at = np.array(arrays["task_variance"]), np.array(arrays["task_seen_at"])
        self._practised = np.array(arrays["task_practised"])
        self._rows = len(self._task)
        self._row_of_task[self._task[1:]] = np.arange(1, self._rows)
        self.tasks = np.sort(self._task[1:])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restore` needs."""
        rows = slice(self._rows)
        return {
            "task": self._task[rows],
            "task_mean": self._mean[rows],
            "task_variance": self._variance[rows],
            "task_seen_at": self._seen_at[rows],
            "task_practised": self._practised[rows],
        }

    def grow(self, tasks: int) -> None:
        """Know of so many tasks."""
        self._row_of_task = with_room(self._row_of_task, tasks, 0)

    def of(self, tasks: IntArray, step: int) -> Own:
        """What is known of these tasks at this step."""
        row = self._row_of_task[tasks]
        seen = row > 0
        gap = np.where(seen, step - self._seen_at[row], 0)
        return Own(seen, self._mean[row], self._variance[row], gap, self._practised[row])

    def put(
        self, tasks: IntArray, mean: FloatArray, variance: FloatArray, seen_at: int, practised: bool
    ) -> None:
        """Write the rows of these distinct tasks."""
        fresh = tasks[self._row_of_task[tasks] == 0]
        if len(fresh):
            self._admit(fresh)
        row = self._row_of_task[tasks]
        self._mean[row], self._variance[row] = mean, variance
        self._seen_at[row], self._practised[row] = seen_at, practised

    def _admit(self, tasks: IntArray) -> None:
        rows = self._rows + len(tasks)
        if rows > len(self._task):
            room = 2 * rows
            self._task, self._mean = _longer(self._task, room), _longer(self._mean, room)
            self._variance, self._seen_at = _longer(self._variance, room), _longer(self._seen_at, room)
            self._practised = _longer(self._practised, room)
        self._row_of_task[tasks] = np.arange(self._rows, rows)
        self._task[self._rows : rows] = tasks
        self._rows = rows
        # Of two ascending parts: "stable" makes use of that.
        self.tasks = np.sort(np.concatenate([self.tasks, tasks]), kind="stable")


def _longer(array: np.ndarray, rows: int) -> np.ndarray:
    return np.concatenate([array, np.zeros(rows - len(array), array.dtype)])
