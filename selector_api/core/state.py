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
from selector_api.core.config import RunConfig, ShufflePolicy
from selector_api.core.implicit import Predictor, predictor
from selector_api.core.posterior import Posterior, initial_posterior, restored_posterior
from selector_api.core.tasks import TaskTable

WHOLE_POOL = -1
"""The scope of a policy that draws from the pool as one; any other scope is a domain code."""
RECENT_COMMITS = 20
"""Commits over which the recent effective task ratio is taken."""


class History:
    """What was selected and reported when, for statistics and for the policies that go in order."""

    def __init__(self, policy_shuffles: bool) -> None:
        self._shuffles = policy_shuffles
        self._times_selected = np.empty(0, np.int32)
        self._last_step = np.empty(0, np.int32)
        self.ever_selected = 0
        """Number of tasks selected at least once."""
        self.last_selected: dict[int, int] = {}
        """Task that was selected last, by scope."""
        self.drawn: dict[int, int] = {}
        """Number of tasks drawn so far, by domain code."""
        self._seen: dict[int, set[int]] = {}

    def times_selected(self, tasks: IntArray) -> IntArray:
        """How often each task was selected."""
        return self._times_selected[tasks].astype(np.int64)

    def last_step(self, tasks: IntArray) -> IntArray:
        """Step of the last commit with outcomes of each task, −1 if there is none."""
        return self._last_step[tasks].astype(np.int64)

    def seen_this_epoch(self, scope: int) -> set[int]:
        """Tasks already handed out in the epoch that is under way (kept for the shuffle policy only)."""
        return self._seen.get(scope, set())

    def grow(self, size: int) -> None:
        """Make room for tasks that joined."""
        added = size - len(self._last_step)
        self._times_selected = np.concatenate([self._times_selected, np.zeros(added, np.int32)])
        self._last_step = np.concatenate([self._last_step, np.full(added, -1, np.int32)])

    def record_selection(self, tasks: IntArray, domain_codes: IntArray, by_domain: bool) -> None:
        """Remember a selection, in its order; `by_domain` tells the scope of the run's policy."""
        self.ever_selected += int(np.count_nonzero(self._times_selected[tasks] == 0))
        self._times_selected[tasks] += 1
        for task, domain in zip(tasks.tolist(), domain_codes.tolist(), strict=True):
            scope = domain if by_domain else WHOLE_POOL
            self.last_selected[scope] = task
            self.drawn[domain] = self.drawn.get(domain, 0) + 1
            if self._shuffles:
                seen = self._seen.setdefault(scope, set())
                if task in seen:  # every task that could be drawn has been: a new epoch begins
                    seen.clear()
                seen.add(task)

    def record_commit(self, tasks: IntArray, step: int) -> None:
        """Remember that `tasks` were reported in the commit that led to `step`."""
        self._last_step[tasks] = step

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything that `restored` needs. Sparse: most tasks of a large pool were never touched."""
        (touched,) = np.nonzero((self._times_selected > 0) | (self._last_step >= 0))
        scopes = sorted(self._seen)
        return {
            "touched": touched,
            "times_selected": self._times_selected[touched],
            "last_step": self._last_step[touched],
            "last_selected": np.array(sorted(self.last_selected.items()), np.int64).reshape(-1, 2),
            "drawn": np.array(sorted(self.drawn.items()), np.int64).reshape(-1, 2),
            "seen_scope": np.repeat(np.array(scopes, np.int64), [len(self._seen[scope]) for scope in scopes]),
            "seen": np.array([task for scope in scopes for task in sorted(self._seen[scope])], np.int64),
        }

    @classmethod
    def restored(cls, policy_shuffles: bool, size: int, arrays: Mapping[str, np.ndarray]) -> History:
        """The history that `to_arrays` was called on."""
        history = cls(policy_shuffles)
        history.grow(size)
        touched = arrays["touched"]
        history._times_selected[touched] = arrays["times_selected"]
        history._last_step[touched] = arrays["last_step"]
        history.ever_selected = int(np.count_nonzero(history._times_selected))
        history.last_selected = dict(arrays["last_selected"].tolist())
        history.drawn = dict(arrays["drawn"].tolist())
        for scope, task in zip(arrays["seen_scope"].tolist(), arrays["seen"].tolist(), strict=True):
            history._seen.setdefault(scope, set()).add(task)
        return history


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
    expired: int = 0
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
            classes=Classes.of(config.references),
            posterior=initial_posterior(config.posterior),
            predictor=predictor(config.implicit),
            history=History(isinstance(config.policy, ShufflePolicy)),
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
            "expired": self.expired,
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
            state.config.references,
            arrays["classes.domain"],
            arrays["classes.weak"],
            arrays["classes.strong"],
            np.empty(0, np.int32),
        )
        state.classes = known  # so that the classes keep their numbers
        state.grow(table, header["size"])
        state.posterior = restored_posterior(
            state.config.posterior, state.classes, _part(arrays, "posterior")
        )
        state.history = History.restored(
            isinstance(state.config.policy, ShufflePolicy), state.size, _part(arrays, "history")
        )
        for name in ("step", "selections", "committed", "expired"):
            setattr(state, name, header[name])
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
