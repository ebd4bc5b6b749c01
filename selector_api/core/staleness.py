"""How old the policy was that made the rollouts of late and asynchronous outcomes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

_RECENT = 20
"""Commits over which the recent staleness is taken."""

Commit: TypeAlias = tuple[int, int, int]
"""Of a commit's outcomes with a version: how many, the sum of how far behind they were, and the largest."""


@dataclass
class Staleness:
    """By how many policy versions outcomes were behind the newest one that the run was told of."""

    newest: int | None = None
    """The highest policy version so far, None if none was told."""
    recent: deque[Commit] = field(default_factory=lambda: deque[Commit](maxlen=_RECENT))
    """The last commits that had outcomes with a version."""

    def see(self, version: int) -> None:
        """Take in that the trainer has reached this version."""
        self.newest = version if self.newest is None else max(self.newest, version)

    def count(self, versions: Sequence[int | None]) -> None:
        """Take in the versions of a commit's outcomes."""
        told = [version for version in versions if version is not None]
        if not told:
            return
        self.see(max(told))
        assert self.newest is not None
        self.recent.append((len(told), sum(self.newest - each for each in told), self.newest - min(told)))

    def mean(self, commits: int = _RECENT) -> float | None:
        """Mean over the outcomes of the last commits, None without any."""
        taken = list(self.recent)[-commits:]
        outcomes = sum(count for count, _, _ in taken)
        return sum(total for _, total, _ in taken) / outcomes if outcomes else None

    def largest(self) -> int | None:
        """The largest of the last commits, None without any."""
        return max((largest for _, _, largest in self.recent), default=None)

    def copy(self) -> Staleness:
        """A copy that later commits leave as it is."""
        return replace(self, recent=self.recent.copy())

    def to_list(self) -> list[Any]:
        """It as JSON values."""
        return [self.newest, [list(commit) for commit in self.recent]]

    @classmethod
    def of(cls, values: Sequence[Any]) -> Staleness:
        """What `to_list` was called on."""
        newest, recent = values
        staleness = cls(newest)
        staleness.recent.extend(tuple(commit) for commit in recent)
        return staleness
