"""The outcomes of an event, in columns.

A `committed` event holds them by selection, as rows of `[place, successes, trials]`, behind which may stand
`{"informative"?, "policy_version"?}`. A place is a position in the selection's tasks, or the task's id once the
selection is closed. Without a selection rows stand by themselves, with ids. Up to 0.2 outcomes were objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from selector_api.core.arrays import BoolArray, CodeArray, FloatArray, IntArray

Place: TypeAlias = int | str
Find: TypeAlias = Callable[[str, Sequence[Place]], IntArray]
"""The tasks at these places of a selection, "" for none."""


@dataclass(frozen=True)
class Evidence:
    """Outcomes, one a row."""

    tasks: IntArray
    successes: FloatArray
    trials: FloatArray
    informative: BoolArray
    versions: tuple[int | None, ...]
    """The policy version that made each group, None where it was not told."""
    by_task: tuple[IntArray, FloatArray, FloatArray]
    """Distinct tasks with their sums of successes and trials."""

    @classmethod
    def of(
        cls,
        outcomes: dict[str, list[Any]] | list[Any],
        find: Find,
        version_of: Callable[[str], int | None] = lambda _: None,
    ) -> Evidence:
        """What stands in an event as `outcomes` or `rows`.

        Args:
            outcomes: as above.
            find: the tasks at places of a selection.
            version_of: a selection's policy version, for rows that do not tell their own.
        """
        if isinstance(outcomes, list) and isinstance(next(iter(outcomes), None), dict):
            return cls._of_objects(outcomes, find)
        parts: Mapping[str, list[list[Any]]] = {"": outcomes} if isinstance(outcomes, list) else outcomes
        tasks = np.concatenate([find(of, [row[0] for row in rows]) for of, rows in parts.items()])
        rows = [row for part in parts.values() for row in part]
        successes = np.array([row[1] for row in rows], np.float64)
        trials = np.array([row[2] for row in rows], np.float64)
        informative = (successes > 0) & (successes < trials)
        for number, row in enumerate(rows):
            if len(row) > 3:
                informative[number] = row[3].get("informative", informative[number])
        versions = tuple(_versions(parts, version_of))
        return cls(tasks, successes, trials, informative, versions, _summed(tasks, successes, trials))

    def behind(self, newest: int | None) -> FloatArray:
        """By how many policy versions each of `by_task` is behind the newest; of a task's rows the oldest counts.

        Shape [tasks].
        """
        tasks, _, _ = self.by_task
        behind = np.zeros(len(tasks))
        if newest is not None and any(version is not None for version in self.versions):
            versions = [newest if version is None else version for version in self.versions]
            late = np.maximum(newest - np.array(versions), 0)
            np.maximum.at(behind, np.searchsorted(tasks, self.tasks), late)
        return behind

    def effective(self, domain_codes: CodeArray) -> dict[int, tuple[int, int]]:
        """How many groups were informative, and how many there were, of each domain's code that has any.

        Args:
            domain_codes: of all tasks, shape [tasks of the pool].
        """
        domains = domain_codes[self.tasks]
        reported = np.bincount(domains)
        effective = np.bincount(domains[self.informative], minlength=len(reported))
        return {
            code: (int(effective[code]), int(reported[code])) for code in np.flatnonzero(reported).tolist()
        }

    @classmethod
    def _of_objects(cls, outcomes: list[dict[str, Any]], find: Find) -> Evidence:
        # As they stand: the order of the tasks shows in the last bits of what follows.
        tasks = find("", [outcome["task"] for outcome in outcomes])
        successes = np.array([outcome["successes"] for outcome in outcomes], np.float64)
        trials = np.array([outcome["trials"] for outcome in outcomes], np.float64)
        informative = (successes > 0) & (successes < trials)
        versions = (None,) * len(outcomes)
        return cls(tasks, successes, trials, informative, versions, (tasks, successes, trials))


def _versions(
    parts: Mapping[str, list[list[Any]]], version_of: Callable[[str], int | None]
) -> Iterator[int | None]:
    for selection, rows in parts.items():
        default = version_of(selection)
        for row in rows:
            yield row[3].get("policy_version", default) if len(row) > 3 else default


def _summed(
    tasks: IntArray, successes: FloatArray, trials: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Sums by task, ascending: in whatever order rows arrived, they leave the same bits."""
    order = np.lexsort((successes, trials, tasks))
    tasks, successes, trials = tasks[order], successes[order], trials[order]
    is_again = tasks[1:] == tasks[:-1]
    if not is_again.any():
        return tasks, successes, trials
    first = np.flatnonzero(np.concatenate([[True], ~is_again]))
    return tasks[first], np.add.reduceat(successes, first), np.add.reduceat(trials, first)
