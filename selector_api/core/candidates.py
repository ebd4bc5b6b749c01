"""The tasks that may be drawn now, and what a policy makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from selector_api.core.arrays import BoolArray, FloatArray, IntArray
from selector_api.core.history import WHOLE_POOL

if TYPE_CHECKING:
    from selector_api.core.posteriors.posterior import Marginals
    from selector_api.core.state import RunState


@dataclass(frozen=True)
class Choice:
    """A drawn batch."""

    tasks: IntArray
    """Shape [batch], distinct task indices in the order of their selection."""
    scores: FloatArray
    """Shape [batch], the success probability by which each task was chosen (a draw or a mean), NaN where the
    policy looks at none."""

    @classmethod
    def unscored(cls, tasks: IntArray) -> Choice:
        """A choice made without looking at success probabilities."""
        return cls(tasks, np.full(len(tasks), np.nan))

    def first(self, count: int) -> Choice:
        """Its first tasks."""
        return Choice(self.tasks[:count], self.scores[:count])

    @classmethod
    def joined(cls, *parts: Choice) -> Choice:
        """The parts one after another."""
        return cls(
            np.concatenate([part.tasks for part in parts]), np.concatenate([part.scores for part in parts])
        )


class Candidates:
    """The tasks of one scope that are not excluded, in strata of equal distribution.

    Every individual (a task whose posterior is not just its class's) is a stratum of its own; the other tasks
    of a class are one stratum, whose tasks are exchangeable. Strata are numbered, individuals first. Making
    this costs O(classes + individuals + excluded), whatever the pool's size.

    Attributes:
        state: of the run.
        scope: a domain code, or `WHOLE_POOL`.
        individuals: int64, stratum s < len(individuals) is this task; ascending.
        classes: int64, stratum len(individuals) + i is what may be drawn of class classes[i]; ascending.
        class_counts: int64, how many tasks that is, >= 1.
    """

    def __init__(self, state: RunState, scope: int, excluded: IntArray) -> None:
        """The tasks of `scope` without `excluded` (ascending, distinct; may hold tasks of other scopes)."""
        self.scope = scope
        self.state = state
        self._excluded = excluded
        classes = state.classes
        individuals = state.posterior.individuals()
        self.individuals: IntArray = individuals[self.allows(individuals)]
        # What a class's stratum does not hold.
        self._apart: IntArray = _merged(excluded, individuals)
        free = classes.sizes - np.bincount(classes.of_task[self._apart], minlength=len(classes))
        if scope != WHOLE_POOL:
            free = np.where(classes.domain == scope, free, 0)
        self.classes: IntArray = np.flatnonzero(free)
        self.class_counts: IntArray = free[self.classes]

    @classmethod
    def of(cls, state: RunState, scope: int = WHOLE_POOL) -> Candidates:
        """The tasks of `scope` that are free: all but the withheld and, unless they are shared, the leased."""
        excluded = state.withheld.tasks
        if state.leased and not state.config.share_leased:
            excluded = _merged(excluded, *state.leased.values())
        return cls(state, scope, excluded)

    def rested(self) -> Candidates:
        """These candidates without the tasks that cool down after drops."""
        cooling = self.state.history.tallies.cooling(self.state.step)
        return self.without(cooling) if len(cooling) else self

    def without(self, tasks: IntArray) -> Candidates:
        """These candidates without `tasks`."""
        return Candidates(self.state, self.scope, _merged(self._excluded, tasks))

    def __len__(self) -> int:
        return len(self.individuals) + int(self.class_counts.sum())

    def sizes(self) -> IntArray:
        """Number of tasks of each stratum, shape [strata]."""
        return np.concatenate([np.ones(len(self.individuals), np.int64), self.class_counts])

    def by_stratum(self, figure: Callable[[Marginals], FloatArray]) -> FloatArray:
        """A figure of the distribution of each stratum, shape [strata]."""
        posterior = self.state.posterior
        individuals = posterior.of_tasks(self.individuals)
        return np.concatenate([figure(individuals), figure(posterior.of_classes().take(self.classes))])

    def allows(self, tasks: IntArray) -> BoolArray:
        """Which of `tasks` are candidates."""
        allowed = ~_among(tasks, self._excluded)
        if self.scope != WHOLE_POOL:
            classes = self.state.classes
            allowed &= classes.domain[classes.of_task[tasks]] == self.scope
        return allowed

    def tasks(self) -> IntArray:
        """All candidates, ascending. Costs O(pool)."""
        tasks = np.arange(self.state.size)
        return tasks[self.allows(tasks)]

    def tasks_of(self, strata: IntArray, rng: np.random.Generator) -> IntArray:
        """A task for each entry of `strata`, uniformly among its stratum's and no task twice.

        Args:
            strata: shape [n], stratum numbers; no stratum more often than it has tasks.
            rng: where the draws come from.
        """
        tasks = np.empty(len(strata), np.int64)
        alone = strata < len(self.individuals)
        tasks[alone] = self.individuals[strata[alone]]
        tasks[~alone] = self._members(strata[~alone] - len(self.individuals), rng)
        return tasks

    def uniform(self, count: int, rng: np.random.Generator) -> IntArray:
        """`count` distinct candidates, uniformly, in random order."""
        return self.tasks_of(uniform_strata(self.sizes(), count, rng), rng)

    def _members(self, rows: IntArray, rng: np.random.Generator) -> IntArray:
        """A task for each entry of `rows` (positions in `classes`).

        Where more than half of a class is in use or wanted its free tasks are listed, which then costs no
        more than those; elsewhere tasks of the class are tried until one is free, two tries on average at
        the most.
        """
        wanted = np.bincount(rows, minlength=len(self.classes))[rows]
        sizes = self.state.classes.sizes[self.classes[rows]]
        crowded = 2 * (self.class_counts[rows] - wanted) < sizes
        if not crowded.any():
            return self._tried(rows, rng)
        tasks = np.empty(len(rows), np.int64)
        tasks[crowded] = self._listed(rows[crowded], rng)
        tasks[~crowded] = self._tried(rows[~crowded], rng)
        return tasks

    def _tried(self, rows: IntArray, rng: np.random.Generator) -> IntArray:
        # Uniform: a relabelling of a class's free tasks relabels the answer and leaves its probability as
        # it is.
        classes = self.state.classes
        numbers = self.classes[rows]
        tasks = np.full(len(rows), -1, np.int64)
        pending = np.arange(len(rows))
        while len(pending):
            of_class = numbers[pending]
            tries = classes.members_at(of_class, rng.integers(classes.sizes[of_class]))
            fresh = np.zeros(len(pending), bool)
            fresh[np.unique(tries, return_index=True)[1]] = True
            fresh &= ~_among(tries, self._apart) & ~_among(tries, np.sort(tasks))
            tasks[pending[fresh]] = tries[fresh]
            pending = pending[~fresh]
        return tasks

    def _listed(self, rows: IntArray, rng: np.random.Generator) -> IntArray:
        classes = self.state.classes
        distinct, place = np.unique(rows, return_inverse=True)
        numbers = self.classes[distinct]
        owner = np.repeat(np.arange(len(distinct)), classes.sizes[numbers])
        members = classes.members_at(numbers[owner], _ranks(owner))
        free = ~_among(members, self._apart)
        members, owner = members[free], owner[free]
        members = members[np.lexsort((rng.random(len(members)), owner))]
        # The entries of one class take that class's members in their shuffled order.
        tasks = np.empty(len(rows), np.int64)
        by_class = np.argsort(place, kind="stable")
        sorted_place = place[by_class]
        tasks[by_class] = members[np.searchsorted(owner, sorted_place) + _ranks(sorted_place)]
        return tasks


def uniform_strata(sizes: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """The strata of `count` distinct tasks drawn uniformly, in random order, from strata of these sizes."""
    ends = np.cumsum(sizes)
    positions = rng.choice(int(sizes.sum()), size=count, replace=False)
    return np.searchsorted(ends, positions, side="right").astype(np.int64)


def _merged(*parts: IntArray) -> IntArray:
    """What is in any of the parts, ascending, each once."""
    # Sorting is several times faster here than numpy's `unique`, which hashes; "stable" makes use of sorted
    # parts.
    tasks = np.sort(np.concatenate(parts), kind="stable")
    distinct = np.ones(len(tasks), bool)
    np.not_equal(tasks[1:], tasks[:-1], out=distinct[1:])
    return tasks[distinct]


def _among(values: IntArray, ascending: IntArray) -> BoolArray:
    if not len(ascending):
        return np.zeros(len(values), bool)
    place = np.searchsorted(ascending, values)
    return ascending[np.minimum(place, len(ascending) - 1)] == values


def _ranks(ascending: IntArray) -> IntArray:
    """The how-manieth of its value each entry is, from 0."""
    return np.arange(len(ascending)) - np.searchsorted(ascending, ascending)
