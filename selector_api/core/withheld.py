"""The tasks that a run does not draw: those that were excluded from it, and those that its pool retired."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from selector_api.core.arrays import BoolArray, IntArray

_BY = ("run", "pool")


class Withheld:
    """Tasks by who withholds them; each is drawn again only when neither does. Immutable."""

    def __init__(self, tasks: Mapping[str, IntArray] | None = None) -> None:
        """The tasks of each, ascending; none if absent."""
        none = np.empty(0, np.int64)
        self._tasks: dict[str, IntArray] = {by: none if tasks is None else tasks[by] for by in _BY}
        self.tasks: IntArray = np.union1d(*self._tasks.values())
        """All of them, ascending."""

    def excluded(self, by: str, tasks: IntArray) -> Withheld:
        """These, and further ones."""
        return Withheld({**self._tasks, by: np.union1d(self._tasks[by], tasks)})

    def included(self, by: str, tasks: IntArray) -> Withheld:
        """These without some."""
        return Withheld({**self._tasks, by: np.setdiff1d(self._tasks[by], tasks)})

    def has(self, tasks: IntArray) -> BoolArray:
        """Which of these tasks are withheld by anyone."""
        return np.isin(tasks, self.tasks)

    def by_run(self, tasks: IntArray) -> BoolArray:
        """Which of these tasks are excluded by the run itself."""
        return np.isin(tasks, self._tasks["run"])

    @property
    def count_by_run(self) -> int:
        """How many are excluded by the run itself."""
        return len(self._tasks["run"])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restored` needs."""
        return dict(self._tasks)

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray]) -> Withheld:
        """What `to_arrays` was called on; none if there is nothing, as in snapshots up to 0.2."""
        return cls(arrays) if arrays else cls()
