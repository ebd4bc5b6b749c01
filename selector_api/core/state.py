"""The state of a run: everything that follows from its log."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.calibration import Groups, no_groups
from selector_api.core.classes import Classes
from selector_api.core.config import RunConfig
from selector_api.core.course import BINS, Course, place_of
from selector_api.core.history import History
from selector_api.core.posteriors.posterior import Posterior
from selector_api.core.staleness import Staleness
from selector_api.core.tasks import TaskTable
from selector_api.core.withheld import Withheld

RECENT_COMMITS = 20
"""Commits over which the recent effective task ratio is taken."""


@dataclass
class RunState:
    """A run at one point of its log. `fold` moves it on; nothing else changes it."""

    config: RunConfig
    table: TaskTable
    """The pool's tasks; it may already hold tasks that have not entered the run."""
    size: int
    """Tasks 0 to size − 1 of the table are the run's."""
    classes: Classes
    posterior: Posterior
    history: History
    step: int = 0
    """Number of commits."""
    policy_since: int = 0
    """The step at which the policy was set: at the run's start, or by a change of its configuration."""
    selections_before_epochs: int = 0
    """Number of selections made before the policy went in epochs, if it does."""
    selections_before_shares: int = 0
    """Number of selections made before the policy's shares of domains held."""
    selections: int = 0
    """Number of selections ever made; each has its number, from 1."""
    committed: int = 0
    """Number of selections closed with evidence."""
    released: int = 0
    """Number of selections closed without any."""
    timed_out: int = 0
    """Number of selections whose lease ended, with evidence or without."""
    created_at: int | None = None
    """Unix ms of the run's creation, by its event; None if it was not noted then."""
    last_commit_at: int | None = None
    """Unix ms of the last commit, by its event; None if there is none, or if it was not noted then."""
    leased: dict[str, IntArray] = field(default_factory=dict[str, IntArray])
    """The tasks of each open selection that nobody else may draw, by its id."""
    handed: dict[str, IntArray] = field(default_factory=dict[str, IntArray])
    """All tasks of each open selection, in its order, by its id."""
    versions: dict[str, int] = field(default_factory=dict[str, int])
    """The policy versions that open selections were made for, by their ids, where the caller told them."""
    staleness: Staleness = field(default_factory=Staleness)
    dropped: int = 0
    """Number of drops."""
    evaluated: int = 0
    """Number of outcomes of evaluations."""
    evaluated_informative: int = 0
    """How many of them were informative."""
    recent: deque[dict[int, tuple[int, int]]] = field(default_factory=lambda: deque(maxlen=RECENT_COMMITS))
    """Of the last commits, by domain code: how many tasks were effective, and how many reported."""

    predicted: dict[str, FloatArray] = field(default_factory=dict[str, FloatArray])
    """The success probabilities that were expected of the tasks in `handed`, by selection."""
    predicted_sd: dict[str, FloatArray] = field(default_factory=dict[str, FloatArray])
    """Their standard deviations."""
    drops: dict[str, int] = field(default_factory=dict[str, int])
    """How many drops came for which reason; see `reasons`."""
    expires: dict[str, int] = field(default_factory=dict[str, int])
    """Unix ms at which the lease of each open selection ends, as it was when it was made; by its id."""
    withheld: Withheld = field(default_factory=Withheld)
    """The tasks that are not drawn."""
    changes: int = 0
    """Number of changes of what is drawn, and how."""
    parent: Mapping[str, Any] | None = None
    """The `run` that this one is a fork of, and at which `step`."""
    rewinds: int = 0
    """How often Redis lost events."""
    rewound: Mapping[str, Any] | None = None
    """The last time: how many events were `known`, how many were `found`, and `at` which Unix ms."""
    calibration: Groups = field(default_factory=no_groups)
    course: Course = field(default_factory=Course)

    @classmethod
    def initial(cls, config: RunConfig) -> RunState:
        """The state of a run without tasks."""
        return cls(
            config=config,
            table=TaskTable.empty(),
            size=0,
            classes=Classes.of(len(config.posterior.references)),
            posterior=config.posterior.initial(),
            history=History(config.policy.in_epochs),
        )

    def grow(self, table: TaskTable, size: int) -> None:
        """Let the tasks up to `size` of `table` join.

        Raises:
            ValueError: the table holds fewer tasks, or the run more.
        """
        if not self.size <= size <= len(table):
            raise ValueError(f"cannot grow from {self.size} to {size} tasks: the table holds {len(table)}")
        joined = slice(len(self.classes.of_task), size)
        self.table = table
        self.size = size
        self.classes = self.classes.grown(
            table.domain_codes[joined], self.config.posterior.rates(table, joined)
        )
        self.posterior.grow(self.classes)
        self.history.grow(size)

    @property
    def evidence_at(self) -> int | None:
        """Unix ms of the last commit, of the run's creation before there is one; None if it was not noted."""
        moments = [moment for moment in (self.created_at, self.last_commit_at) if moment is not None]
        return max(moments, default=None)  # a fork is younger than what it took over

    def difficulties(self) -> IntArray:
        """How many tasks have a mean in each tenth of [0, 1]. Costs O(classes + individuals)."""
        individuals = self.posterior.individuals()
        of_class = np.bincount(self.classes.of_task[individuals], minlength=len(self.classes))
        means = np.concatenate(
            [self.posterior.of_classes().mean(), self.posterior.of_tasks(individuals).mean()]
        )
        sizes = np.concatenate([self.classes.sizes - of_class, np.ones(len(individuals), np.int64)])
        return np.bincount(place_of(means), weights=sizes, minlength=BINS).astype(np.int64)

    def domains(self, limit: int | None = None) -> tuple[str, ...]:
        """The names of its domains by code: the first `limit`, or all.

        A table numbers domains as they appear. A run has a table's first tasks, so also its first domains.
        """
        count = int(self.classes.domain.max(initial=-1)) + 1
        return self.table.domains[: count if limit is None else min(count, limit)]

    def capability_by_domain(self, limit: int | None = None) -> dict[str, float | None]:
        """The model's capability in the first `limit` domains, or in all, None where it is not known."""
        capability = self.posterior.capability()
        return {name: capability.get(code) for code, name in enumerate(self.domains(limit))}

    def effective_task_ratio(self, commits: int = RECENT_COMMITS) -> float | None:
        """ETR of the last commits (at most 20): effective / reported tasks; None if there are none."""
        return _ratio([counts for commit in list(self.recent)[-commits:] for counts in commit.values()])

    def effective_task_ratio_by_domain(self, limit: int | None = None) -> dict[str, float | None]:
        """ETR of the first `limit` domains, or of all, over the last 20 commits."""
        return {
            name: _ratio([commit[code] for commit in self.recent if code in commit])
            for code, name in enumerate(self.domains(limit))
        }

    def copy(self) -> RunState:
        """A copy that later events leave as it is. It shares the table and the classes, which never change."""
        return replace(
            self,
            posterior=self.posterior.copy(),
            history=copy.deepcopy(self.history),
            leased=dict(self.leased),
            handed=dict(self.handed),
            versions=dict(self.versions),
            predicted=dict(self.predicted),
            predicted_sd=dict(self.predicted_sd),
            drops=dict(self.drops),
            expires=dict(self.expires),
            calibration=self.calibration.copy(),
            course=self.course.copy(),
            staleness=self.staleness.copy(),
            recent=self.recent.copy(),
        )


def _ratio(counts: list[tuple[int, int]]) -> float | None:
    effective = sum(effective for effective, _ in counts)
    reported = sum(reported for _, reported in counts)
    return effective / reported if reported else None
