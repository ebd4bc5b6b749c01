"""Why there are too few tasks for a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from selector_api.core.arrays import IntArray
from selector_api.core.candidates import Candidates
from selector_api.core.history import WHOLE_POOL
from selector_api.core.times import rfc3339


@dataclass(frozen=True)
class Shortage:
    """A pool, or a domain with a share of every batch, that has too few tasks."""

    domain: str | None
    """None: the whole pool."""
    wanted: int
    tasks: int
    """How many it has."""
    drawable: int
    """How many of them can be drawn now."""
    leased: int
    leased_until: int | None
    """Unix ms at which the first of the leases ends, None without one."""
    excluded: int
    """By the run, or retired by its pool."""
    cooling: int
    """How many of the drawable ones cool down after drops: they come last."""
    held_by: tuple[str, ...]
    """The selections that hold the leased ones."""

    @classmethod
    def of(cls, candidates: Candidates, wanted: int) -> Shortage:
        """What there is beside these candidates, of which so many are wanted. Costs O(pool)."""
        state, scope = candidates.state, candidates.scope
        domains = state.table.domain_codes[: state.size]

        def here(tasks: IntArray) -> int:
            return len(tasks) if scope == WHOLE_POOL else int(np.count_nonzero(domains[tasks] == scope))

        leased = {} if state.config.share_leased else state.leased
        held = [selection for selection, tasks in leased.items() if here(tasks)]
        has_name = 0 <= scope < len(state.table.domains)
        shortage = cls(
            domain=state.table.domains[scope] if has_name else None,
            wanted=wanted,
            tasks=here(np.arange(state.size)),
            drawable=len(candidates),
            leased=sum(here(leased[selection]) for selection in held),
            leased_until=None,
            excluded=here(state.withheld.tasks),
            cooling=len(candidates) - len(candidates.rested()),
            held_by=tuple(held),
        )
        return shortage.with_ends(state.expires)

    def with_ends(self, ends: Mapping[str, int]) -> Shortage:
        """The same, if the leases of selections end at these Unix ms: a lease may end otherwise than it began."""
        until = min((ends[each] for each in self.held_by if each in ends), default=None)
        return replace(self, leased_until=until)

    def __str__(self) -> str:
        who = (
            "the run"
            if self.domain is None
            else f"the domain {self.domain!r}, from which {self.wanted} are due,"
        )
        parts = [f"{self.drawable} can be drawn"]
        if self.leased:
            until = "" if self.leased_until is None else f", the first until {rfc3339(self.leased_until)}"
            parts.append(f"{self.leased} are leased{until}")
        if self.excluded:
            parts.append(f"{self.excluded} are excluded or retired")
        if self.cooling:
            parts.append(f"{self.cooling} of those that can be drawn cool down after drops")
        return f"{who} has {self.tasks} tasks: {', '.join(parts)}"
