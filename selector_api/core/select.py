"""Selection: a batch drawn from a run's state."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from selector_api.core.candidates import Candidates, Choice
from selector_api.core.rng import generator
from selector_api.core.shares import apportioned, largest_batch
from selector_api.core.shortage import Shortage
from selector_api.core.state import RunState

__all__ = ["Choice", "TooFewTasks", "explained", "predicted", "select"]


class TooFewTasks(ValueError):
    """A batch is larger than what can be drawn now."""

    code = "batch-too-large"

    def __init__(self, available: int, shortages: Sequence[Shortage]) -> None:
        why = "; ".join(map(str, shortages))
        self.detail = (
            f"batch_size: {available} tasks can be drawn now; ask for fewer, or report first ({why})"
        )
        super().__init__(self.detail)
        self.available = available
        """The largest batch that could be drawn now."""
        self.shortages = shortages
        """Where the tasks are too few: the pool, or domains with a share."""


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
    if policy.domains is None:
        candidates = Candidates.of(state)
        if len(candidates) < batch_size:
            raise TooFewTasks(len(candidates), [Shortage.of(candidates, batch_size)])
        return _chosen(candidates, batch_size, rng)

    shares = policy.shares
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
        raise TooFewTasks(
            largest_batch(share, drawn, available, batch_size - 1),
            [
                Shortage.of(part, count)
                for part, count in zip(parts, counts.tolist(), strict=True)
                if count > len(part)
            ],
        )
    return Choice.joined(
        *(_chosen(part, count, rng) for part, count in zip(parts, counts.tolist(), strict=True) if count)
    )


def _chosen(candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
    """`count` of the candidates; those that cool down after drops only as far as the others are too few."""
    choose = candidates.state.config.policy.choose
    rested = candidates.rested()
    if len(rested) >= count:
        return choose(rested, count, rng)
    if not len(rested):
        return choose(candidates, count, rng)
    others = choose(rested, len(rested), rng)
    return Choice.joined(others, choose(candidates.without(rested.tasks()), count - len(rested), rng))


def predicted(state: RunState, choice: Choice) -> dict[str, float]:
    """What is expected of a batch: its mean pass rate, and how many of its groups are informative."""
    marginals = state.posterior.of_tasks(choice.tasks)
    informative = marginals.informative(state.config.posterior.group_size)
    return {"mean": rounded(marginals.mean().mean()), "informative": rounded(informative.sum())}


def explained(state: RunState, choice: Choice) -> dict[str, list[float | None]]:
    """Why each task was chosen: what its posterior is, and the success probability by which it was chosen.

    In columns, and rounded: the log keeps it. `draw` is None where the policy looks at none. The posterior's own
    parameters stand by their names.
    """
    marginals = state.posterior.of_tasks(choice.tasks)
    columns = {
        "mean": marginals.mean(),
        "sd": marginals.sd(),
        "draw": choice.scores,
        **marginals.parameters(),
    }
    return {
        name: [None if math.isnan(value) else rounded(value) for value in values.tolist()]
        for name, values in columns.items()
    }


def rounded(value: float) -> float:
    """With 7 significant digits: more than anybody reads, and half of what they would take."""
    return float(f"{value:.7g}")
