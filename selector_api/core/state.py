"""The state of a run: everything that follows from its log."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from selector_api.core.arrays import IntArray
from selector_api.core.classes import Classes
from selector_api.core.config import RunConfig
from selector_api.core.history import History
from selector_api.core.posteriors.interpolation import Predictor, predictor
from selector_api.core.posteriors.posterior import Posterior
from selector_api.core.tasks import TaskTable

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
    predictor: Predictor
    history: History
    step: int = 0
    """Number of commits."""
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
    leased: dict[str, IntArray] = field(default_factory=dict)
    """Tasks of each open selection, by its id."""
    recent: deque[dict[int, tuple[int, int]]] = field(default_factory=lambda: deque(maxlen=RECENT_COMMITS))
    """Of the last commits, by domain code: how many tasks were effective, and how many reported."""

    @classmethod
    def initial(cls, config: RunConfig) -> RunState:
        """The state of a run without tasks."""
        return cls(
            config=config,
            table=TaskTable.empty(),
            size=0,
            classes=Classes.of(config.posterior.references),
            posterior=config.posterior.initial(),
            predictor=predictor(config.posterior.implicit),
            history=History(config.policy.in_epochs),
        )

    def grow(self, table: TaskTable, size: int) -> None:
        """Let the tasks up to `size` of `table` join.

        Raises:
            ValueError: the table holds fewer tasks, or the run more.
        """
        if not self.size <= size <= len(table):
            raise ValueError(f"cannot grow from {self.size} to {size} tasks: the table holds {len(table)}")
        self.table = table
        self.size = size
        self.classes = self.classes.grown(table, size)
        self.posterior.grow(self.classes)
        self.history.grow(size)

    @property
    def evidence_at(self) -> int | None:
        """Unix ms of the last commit, of the run's creation before there is one; None if it was not noted."""
        return self.created_at if self.last_commit_at is None else self.last_commit_at

    def domains(self, limit: int | None = None) -> tuple[str, ...]:
        """The names of its domains by code: the first `limit`, or all.

        A table numbers domains as they appear. A run has a table's first tasks, so also its first domains.
        """
        count = int(self.classes.domain.max(initial=-1)) + 1
        return self.table.domains[: count if limit is None else min(count, limit)]

    def capability_by_domain(self, limit: int | None = None) -> dict[str, float | None]:
        """Capability μ of the first `limit` domains, or of all, None where it is unset."""
        return {name: self.predictor.capability.get(code) for code, name in enumerate(self.domains(limit))}

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
            predictor=copy.deepcopy(self.predictor),
            history=copy.deepcopy(self.history),
            leased=dict(self.leased),
            recent=self.recent.copy(),
        )

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The state as JSON values and numpy arrays, from which `from_arrays` makes it again."""
        header = {
            "config": self.config.to_dict(),
            "size": self.size,
            "step": self.step,
            "selections": self.selections,
            "committed": self.committed,
            "released": self.released,
            "timed_out": self.timed_out,
            "created_at": self.created_at,
            "last_commit_at": self.last_commit_at,
            "leased": {selection: tasks.tolist() for selection, tasks in self.leased.items()},
            "capability": sorted(self.predictor.capability.items()),
            "recent": [sorted(commit.items()) for commit in self.recent],
        }
        arrays = {
            "classes.domain": self.classes.domain,
            "classes.weak": self.classes.weak,
            "classes.strong": self.classes.strong,
        }
        for prefix, part in (("posterior", self.posterior), ("history", self.history)):
            arrays |= {f"{prefix}.{name}": array for name, array in part.to_arrays().items()}
        return header, arrays

    @classmethod
    def from_arrays(
        cls, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], table: TaskTable
    ) -> RunState:
        """The state that `to_arrays` was called on, bit for bit. `table` may have grown since.

        Raises:
            ValueError: the table holds fewer tasks than the state.
        """
        state = cls.initial(RunConfig.from_dict(header["config"]))
        known = Classes(
            state.config.posterior.references,
            arrays["classes.domain"],
            arrays["classes.weak"],
            arrays["classes.strong"],
            np.empty(0, np.int32),
        )
        state.classes = known  # so that the classes keep their numbers
        state.grow(table, header["size"])
        state.posterior = state.config.posterior.restored(state.classes, _part(arrays, "posterior"))
        state.history = History.restored(state.config.policy.in_epochs, state.size, _part(arrays, "history"))
        for name in ("step", "selections", "committed"):
            setattr(state, name, header[name])
        state.released = header["expired"] if "expired" in header else header["released"]
        # Snapshots of 0.1 do not have these: what they held was not counted then.
        state.timed_out = header.get("timed_out", 0)
        state.created_at = header.get("created_at")
        state.last_commit_at = header.get("last_commit_at")
        state.leased = {selection: np.array(tasks, np.int64) for selection, tasks in header["leased"].items()}
        state.predictor.capability.update(header["capability"])
        state.recent.extend(
            {domain: (effective, reported) for domain, (effective, reported) in commit}
            for commit in header["recent"]
        )
        return state


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    start = prefix + "."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _ratio(counts: list[tuple[int, int]]) -> float | None:
    effective = sum(effective for effective, _ in counts)
    reported = sum(reported for _, reported in counts)
    return effective / reported if reported else None
