"""Where a run stands: those figures of its state that are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selector_api.core.state import RunState


@dataclass(frozen=True)
class Standing:
    """Where a run stands. Effective task ratios are over the last 20 commits, None if there are none."""

    step: int
    tasks: int
    never_selected: int
    open: int
    """Selections that are leased now."""
    committed: int
    """Selections closed with evidence."""
    expired: int
    """Selections closed without any."""
    timed_out: int
    """Selections whose lease ended, with evidence or without."""
    evidence_at: int | None
    """Unix ms of the last commit, of the run's creation before there is one; None if it was not noted."""
    last_ratio: float | None
    """Effective task ratio of the last commit alone."""
    ratio: float | None
    ratio_by_domain: Mapping[str, float | None]
    capability: Mapping[str, float | None]
    """Capability μ by domain, None where it is unset."""

    @classmethod
    def of(cls, state: RunState, domains: int | None = None) -> Standing:
        """Where this state's run stands; of its domains the first `domains`, or all.

        With a bound it takes no longer for a large pool than for a small one.
        """
        return cls(
            step=state.step,
            tasks=state.size,
            never_selected=state.size - state.history.ever_selected,
            open=len(state.leased),
            committed=state.committed,
            expired=state.expired,
            timed_out=state.timed_out,
            evidence_at=state.created_at if state.last_commit_at is None else state.last_commit_at,
            last_ratio=state.effective_task_ratio(commits=1),
            ratio=state.effective_task_ratio(),
            ratio_by_domain=state.effective_task_ratio_by_domain(domains),
            capability=state.capability_by_domain(domains),
        )
