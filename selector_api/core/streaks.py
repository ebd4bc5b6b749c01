"""Which tasks passed or failed in all rollouts of their last groups: solved, relapsed and stuck ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from selector_api.core.arrays import BoolArray, FloatArray, IntArray
from selector_api.core.growing import with_room

STUCK = 4
"""Groups in a row in which a task failed wholly before it is called stuck."""
_LONGEST = 100
_COUNTS = ("solved", "relapsed", "stuck")


class Streaks:
    """For how many groups in a row each task passed, or failed, in all rollouts; groups of one do not count."""

    def __init__(self) -> None:
        self._length = np.empty(0, np.int8)
        self._was_solved = np.empty(0, np.bool_)
        self.solved = 0
        """Tasks that passed in every rollout of their last group."""
        self.relapsed = 0
        """Tasks of which that was so once, and is so no more."""
        self.stuck = 0
        """Tasks that failed in every rollout of each of their last `STUCK` groups."""

    def of_tasks(self, tasks: IntArray) -> IntArray:
        """Of each task how many of its last groups passed wholly, or with a minus failed wholly; 0 for neither."""
        return self._length[tasks].astype(np.int64)

    def stuck_among(self, tasks: IntArray) -> IntArray:
        """Those of these tasks that are stuck."""
        return tasks[self._length[tasks] <= -STUCK]

    def grow(self, size: int) -> None:
        """Make room for tasks that joined."""
        self._length = with_room(self._length, size, 0)
        self._was_solved = with_room(self._was_solved, size, False)

    def see(self, tasks: IntArray, successes: FloatArray, trials: FloatArray) -> None:
        """Take in the groups of distinct tasks."""
        told = trials >= 2
        tasks, successes, trials = tasks[told], successes[told], trials[told]
        before = self._counted(tasks)
        length = self._length[tasks].astype(np.int64)
        passed, failed = successes >= trials, successes <= 0
        length = np.where(passed, np.maximum(length, 0) + 1, np.where(failed, np.minimum(length, 0) - 1, 0))
        self._length[tasks] = np.clip(length, -_LONGEST, _LONGEST)
        self._was_solved[tasks] |= passed
        for name, change in zip(_COUNTS, self._counted(tasks) - before, strict=True):
            setattr(self, name, getattr(self, name) + int(change))

    def _counted(self, tasks: IntArray | slice) -> IntArray:
        length, was_solved = self._length[tasks], self._was_solved[tasks]
        each: tuple[BoolArray, ...] = (length > 0, was_solved & (length <= 0), length <= -STUCK)
        return np.array([np.count_nonzero(one) for one in each])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restored` needs."""
        (moved,) = np.nonzero((self._length != 0) | self._was_solved)
        return {
            "streak_task": moved,
            "streak": self._length[moved],
            "was_solved": self._was_solved[moved],
        }

    @classmethod
    def restored(cls, size: int, arrays: Mapping[str, np.ndarray]) -> Streaks:
        """The streaks that `to_arrays` was called on."""
        streaks = cls()
        streaks.grow(size)
        moved = arrays["streak_task"]
        streaks._length[moved] = arrays["streak"]
        streaks._was_solved[moved] = arrays["was_solved"]
        for name, count in zip(_COUNTS, streaks._counted(slice(None)).tolist(), strict=True):
            setattr(streaks, name, count)
        return streaks
