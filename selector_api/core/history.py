"""What was selected and reported when, for statistics and for the policies that go in order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from selector_api.core.arrays import IntArray
from selector_api.core.growing import with_room
from selector_api.core.streaks import Streaks
from selector_api.core.tallies import Tallies
from selector_api.core.visits import Visits

AGES = (10, 30, 100, 300, 1000)
"""Commits by which the age of evidence is told."""
WHOLE_POOL = -1
"""The scope of a policy that draws from the pool as one; any other scope is a domain code."""


class History:
    """What was selected and reported of each task, and in which order."""

    def __init__(self, in_epochs: bool) -> None:
        self._in_epochs = in_epochs
        self._times_selected = np.empty(0, np.int32)
        self._last_step = np.empty(0, np.int32)
        self.ever_selected = 0
        """Number of tasks selected at least once."""
        self.last_selected: dict[int, int] = {}
        """Task that was selected last, by scope."""
        self.drawn: dict[int, int] = {}
        """Number of tasks drawn so far, by domain code."""
        self.drawn_by_shares: dict[int, int] = {}
        """How many of them by the shares that the run's policy has now."""
        self.tallies = Tallies()
        """What was counted of each task over all times."""
        self.streaks = Streaks()
        self.visits = Visits()
        self._seen: dict[int, set[int]] = {}

    def times_selected(self, tasks: IntArray) -> IntArray:
        """How often each task was selected."""
        return self._times_selected[tasks].astype(np.int64)

    def selected(self) -> IntArray:
        """The tasks that were ever selected. Looks at each task of the pool."""
        return np.flatnonzero(self._times_selected)

    def stuck(self) -> IntArray:
        """The tasks that failed in every rollout of each of their last groups."""
        reported, *_ = self.tallies.of_all()
        return self.streaks.stuck_among(reported)

    def last_step(self, tasks: IntArray) -> IntArray:
        """Step of the last commit with outcomes of each task, −1 if there is none."""
        return self._last_step[tasks].astype(np.int64)

    def seen_this_epoch(self, scope: int) -> set[int]:
        """Tasks already handed out in the epoch that is under way (kept for policies that go in epochs)."""
        return self._seen.get(scope, set())

    def go_in_epochs(self, in_epochs: bool) -> None:
        """Let another policy ask which tasks were seen in its epochs; the first one begins now."""
        self._in_epochs = in_epochs
        self._seen.clear()

    def grow(self, size: int) -> None:
        """Make room for tasks that joined."""
        self._times_selected = with_room(self._times_selected, size, 0)
        self._last_step = with_room(self._last_step, size, -1)
        self.tallies.grow(size)
        self.streaks.grow(size)

    def ages(self, step: int) -> dict[int | None, int]:
        """How many tasks had their last commit at most so many commits before this step; None: longer ago."""
        reported = self._last_step[self._last_step >= 0]
        bounds = list(AGES)
        place = np.minimum(np.searchsorted(bounds, step - reported), len(bounds))
        counts = np.bincount(place, minlength=len(bounds) + 1).tolist()
        return dict(zip([*bounds, None], counts, strict=True))

    def record_selection(
        self, tasks: IntArray, domain_codes: IntArray, by_domain: bool, in_epoch: bool, by_shares: bool
    ) -> None:
        """Remember a selection, in its order.

        Args:
            tasks: shape [batch].
            domain_codes: shape [batch].
            by_domain: the scope of the run's policy is a domain.
            in_epoch: it was drawn since that policy goes in epochs, if it does.
            by_shares: it was drawn by that policy's shares.
        """
        self.ever_selected += int(np.count_nonzero(self._times_selected[tasks] == 0))
        self._times_selected[tasks] += 1
        for task, domain in zip(tasks.tolist(), domain_codes.tolist(), strict=True):
            scope = domain if by_domain else WHOLE_POOL
            self.last_selected[scope] = task
            self.drawn[domain] = self.drawn.get(domain, 0) + 1
            if by_shares:
                self.drawn_by_shares[domain] = self.drawn_by_shares.get(domain, 0) + 1
            if self._in_epochs and in_epoch:
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
            "drawn_by_shares": np.array(sorted(self.drawn_by_shares.items()), np.int64).reshape(-1, 2),
            "seen_scope": np.repeat(np.array(scopes, np.int64), [len(self._seen[scope]) for scope in scopes]),
            "seen": np.array([task for scope in scopes for task in sorted(self._seen[scope])], np.int64),
            **self.tallies.to_arrays(),
            **self.streaks.to_arrays(),
            **{f"visit_{name}": column for name, column in self.visits.to_arrays().items()},
        }

    @classmethod
    def restored(cls, in_epochs: bool, size: int, arrays: Mapping[str, np.ndarray]) -> History:
        """The history that `to_arrays` was called on."""
        history = cls(in_epochs)
        history.grow(size)
        touched = arrays["touched"]
        history._times_selected[touched] = arrays["times_selected"]
        history._last_step[touched] = arrays["last_step"]
        history.ever_selected = int(np.count_nonzero(history._times_selected))
        history.last_selected = dict(arrays["last_selected"].tolist())
        history.drawn = dict(arrays["drawn"].tolist())
        history.drawn_by_shares = dict(arrays["drawn_by_shares"].tolist())
        for scope, task in zip(arrays["seen_scope"].tolist(), arrays["seen"].tolist(), strict=True):
            history._seen.setdefault(scope, set()).add(task)
        history.tallies = Tallies.restored(size, arrays)
        history.streaks = Streaks.restored(size, arrays)
        prefix = "visit_"
        history.visits = Visits.restored(
            {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        )
        return history
