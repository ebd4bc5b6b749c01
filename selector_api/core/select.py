"""Selection: a batch drawn from a run's state."""

from __future__ import annotations

import numpy as np

from selector_api.core.candidates import Candidates, Choice
from selector_api.core.rng import generator
from selector_api.core.shares import apportioned, largest_batch
from selector_api.core.state import RunState

__all__ = ["Choice", "TooFewTasks", "select"]


class TooFewTasks(ValueError):
    """A batch is larger than what can be drawn now."""

    def __init__(self, batch_size: int, available: int) -> None:
        super().__init__(
            f"batch_size is {batch_size}, but only {available} tasks can be drawn now: ask for fewer, "
            "or wait until leased tasks are reported or their leases end"
        )
        self.available = available
        """The largest batch that could be drawn now."""


def select(state: RunState, batch_size: int) -> Choice:
    """The batch that selection number `state.selections + 1` of the run draws.

    Pure: the same state and batch size give the same choice, and the state stays as it is. With fixed
    shares by domain the policy runs in each domain by itself, and the batch holds the domains one after
    another, by name.

    Args:
        state: of the run.
        batch_size: >= 1.

    Raises:
        TooFewTasks: fewer tasks can be drawn now.
    """
    rng = generator(state.config.seed, state.selections + 1)
    policy = state.config.policy
    shares = policy.domains
    if shares is None:
        candidates = Candidates.of(state)
        if len(candidates) < batch_size:
            raise TooFewTasks(batch_size, len(candidates))
        return policy.choose(state, candidates, batch_size, rng)

    # By name: the order in which a configuration happens to list its domains must not matter.
    names = sorted(name for name in shares if shares[name] > 0)
    share = np.array([shares[name] for name in names])
    known = {name: code for code, name in enumerate(state.table.domains)}
    codes = [known.get(name, len(known)) for name in names]  # no task has the code of an unknown domain
    drawn = np.array([state.history.drawn.get(code, 0) for code in codes])
    parts = [Candidates.of(state, code) for code in codes]
    available = np.array([len(part) for part in parts])
    counts = apportioned(share, drawn, batch_size)
    if np.any(counts > available):
        raise TooFewTasks(batch_size, largest_batch(share, drawn, available, batch_size - 1))
    return Choice.joined(
        *(
            policy.choose(state, part, count, rng)
            for part, count in zip(parts, counts.tolist(), strict=True)
            if count
        )
    )
