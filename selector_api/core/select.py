"""Selection: a batch drawn from a run's state, of a given size or as large as a step needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from selector_api.core.arrays import IntArray
from selector_api.core.candidates import Candidates, Choice
from selector_api.core.config import MAX_BATCH
from selector_api.core.rng import generator
from selector_api.core.shares import apportioned, largest_batch
from selector_api.core.shortage import Shortage
from selector_api.core.state import RunState

__all__ = ["Choice", "TooFewInformative", "TooFewTasks", "foretold", "plan", "select"]

_DECIMALS = 9
"""Of expected numbers of groups: a batch is large enough whatever the last bit of its sum is."""


class TooFewTasks(ValueError):
    """A batch is larger than what can be drawn now."""

    code = "batch-too-large"
    informative: float | None = None
    """How many informative groups the largest batch promises, where so many were asked for."""

    def __init__(self, available: int, shortages: Sequence[Shortage]) -> None:
        self.available = available
        """The largest batch that could be drawn now."""
        self.shortages: Sequence[Shortage] = shortages
        """Where the tasks are too few: the pool, or domains with a share."""
        self.detail = self._said()
        super().__init__(self.detail)

    def tell_ends(self, ends: Mapping[str, int]) -> None:
        """Say when leases end by these Unix ms, by selection: renewals are not in the log."""
        self.shortages = [each.with_ends(ends) for each in self.shortages]
        self.detail = self._said()
        self.args = (self.detail,)

    def _said(self) -> str:
        why = "; ".join(map(str, self.shortages))
        return f"batch_size: {self.available} tasks can be drawn now; ask for fewer, or report first ({why})"


class TooFewInformative(TooFewTasks):
    """All that can be drawn now does not promise as many informative groups as were asked for."""

    def __init__(
        self, informative: float, rollouts: int, available: int, shortages: Sequence[Shortage]
    ) -> None:
        self.informative = informative
        self.rollouts = rollouts
        super().__init__(available, shortages)

    def _said(self) -> str:
        if self.rollouts == 1:
            return "rollouts: a group of 1 is never informative, since nothing differs in it; send 2 or more"
        assert self.informative is not None
        # Not what was asked for, if that is missed by little.
        promised = math.floor(self.informative * 1000) / 1000
        promise = f"promise {promised} informative groups of {self.rollouts} rollouts"
        if self.available == MAX_BATCH:
            return f"informative: {MAX_BATCH} tasks, the largest batch there is, {promise}; ask for fewer"
        why = "; ".join(map(str, self.shortages))
        return (
            f"informative: {self.available} tasks, the largest batch that can be drawn now, {promise}; ask for "
            f"fewer, or report first ({why})"
        )


class _Parts:
    """What a batch is put together from: the domains that have a share of it, or the pool as its only part."""

    def __init__(self, state: RunState) -> None:
        shares = state.config.policy.shares
        # By name: the order in which a configuration happens to list its domains must not matter.
        names = sorted(name for name in shares if shares[name] > 0)
        known = {name: code for code, name in enumerate(state.table.domains)}
        codes = [known.get(name, len(known)) for name in names]  # no task has the code of an unknown domain
        if state.config.policy.domains is None:
            self.candidates = [Candidates.of(state)]
            self._shares, self._drawn = np.ones(1), np.zeros(1, np.int64)
        else:
            self.candidates = [Candidates.of(state, code) for code in codes]
            self._shares = np.array([shares[name] for name in names])
            self._drawn = np.array([state.history.drawn_by_shares.get(code, 0) for code in codes])
        self.available: IntArray = np.array([len(part) for part in self.candidates])

    def counts(self, batch_size: int) -> IntArray:
        """How many tasks of a batch each part gives, whether it has them or not."""
        if len(self._shares) == 1:
            return np.array([batch_size])
        return apportioned(self._shares, self._drawn, batch_size)

    def largest_batch(self, at_most: int) -> int:
        """The largest batch, up to `at_most`, for which all parts have enough."""
        return largest_batch(self._shares, self._drawn, self.available, at_most)

    def surely_enough(self, informative: float, rollouts: int) -> int:
        """The size of which any batch promises as much; of more than all tasks if there is none."""
        promises = np.concatenate(
            [part.by_stratum(lambda each: each.informative(rollouts)) for part in self.candidates]
        )
        sizes = np.concatenate([part.sizes() for part in self.candidates])
        worst_first = np.argsort(promises)
        promises, sizes = promises[worst_first], sizes[worst_first]
        total = np.append(0.0, np.cumsum(promises * sizes))
        whole = int(np.searchsorted(total, informative)) - 1
        if whole == len(sizes):
            return int(sizes.sum()) + 1
        missing = math.ceil((informative - total[whole]) / promises[whole])
        return int(sizes[:whole].sum()) + missing + 1  # one for what rounding may take

    def shortages(self, batch_size: int) -> list[Shortage]:
        """Where the tasks are too few for such a batch."""
        return [
            Shortage.of(part, count)
            for part, count in zip(self.candidates, self.counts(batch_size).tolist(), strict=True)
            if count > len(part)
        ]


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
    parts = _Parts(state)
    counts = parts.counts(batch_size)
    if np.any(counts > parts.available):
        raise TooFewTasks(parts.largest_batch(batch_size - 1), parts.shortages(batch_size))
    choose = state.config.policy.choose
    return Choice.joined(
        *(
            _drawn(choose, part, count, rng)
            for part, count in zip(parts.candidates, counts.tolist(), strict=True)
            if count
        )
    )


def plan(state: RunState, informative: float, rollouts: int | None = None) -> Choice:
    """The smallest batch, in the policy's order, that promises so many informative groups.

    As pure as `select`. The shares of the domains hold for the batch as for any other: of each domain it has the
    first of the policy's order there. It is the smallest in that with a task less it would not be enough.

    Args:
        state: of the run.
        informative: > 0; the sum over the batch's tasks of the probability that a group is informative.
        rollouts: of each group, >= 1; None: as many as the run's posterior takes a group to have.

    Raises:
        TooFewInformative: no batch that can be drawn now, of up to `MAX_BATCH` tasks, promises as many.
    """
    rng = generator(state.config.seed, state.selections + 1)
    parts = _Parts(state)
    rollouts = group_size(state, rollouts)
    # The order is drawn once, so its length must not hang on what is drawn.
    largest = parts.largest_batch(min(parts.surely_enough(informative, rollouts), MAX_BATCH))
    # A smaller batch may have a task more of a domain, by the rounding of shares.
    lengths = np.minimum(parts.counts(largest) + 1, parts.available)
    order = state.config.policy.order
    orders = [
        _drawn(order, part, length, rng) if length else Choice.unscored(np.empty(0, np.int64))
        for part, length in zip(parts.candidates, lengths.tolist(), strict=True)
    ]
    promises = [
        np.append(0.0, state.posterior.of_tasks(each.tasks).informative(rollouts).cumsum()) for each in orders
    ]

    def promised(batch_size: int) -> float:
        counts = parts.counts(batch_size)
        if np.any(counts > lengths):
            return 0.0
        total = sum(float(promise[count]) for promise, count in zip(promises, counts, strict=True))
        return round(total, _DECIMALS)

    if promised(largest) < informative:
        shortages = [] if largest == MAX_BATCH else parts.shortages(largest + 1)
        raise TooFewInformative(promised(largest), rollouts, largest, shortages)
    too_small, enough = 0, largest
    while enough - too_small > 1:
        size = (too_small + enough) // 2
        too_small, enough = (too_small, size) if promised(size) >= informative else (size, enough)
    return Choice.joined(
        *(each.first(count) for each, count in zip(orders, parts.counts(enough).tolist(), strict=True))
    )


def _drawn(
    draw: Callable[[Candidates, int, np.random.Generator], Choice],
    candidates: Candidates,
    count: int,
    rng: np.random.Generator,
) -> Choice:
    """`count` of the candidates; those that cool down after drops only as far as the others are too few."""
    rested = candidates.rested()
    if len(rested) >= count:
        return draw(rested, count, rng)
    if not len(rested):
        return draw(candidates, count, rng)
    others = draw(rested, len(rested), rng)
    return Choice.joined(others, draw(candidates.without(rested.tasks()), count - len(rested), rng))


def group_size(state: RunState, rollouts: int | None) -> int:
    """Rollouts of a group: as many as were told, or as many as the run's posterior takes a group to have."""
    return state.config.posterior.group_size if rollouts is None else rollouts


def foretold(
    state: RunState, choice: Choice, rollouts: int | None = None, *, explain: bool = False
) -> dict[str, dict[str, Any]]:
    """What is expected of a batch, rounded, as the log keeps it.

    Returns:
        `predicted`: its `mean` pass rate, and how many of its groups of `rollouts` are `informative`. With
        `explain` also `explain`, why each task was chosen, in columns: the `mean` and `sd` of its posterior, the
        probability that its group is `informative`, the posterior's own parameters by their names, and `draw`,
        the success probability by which it was chosen, None where the policy looks at none.
    """
    marginals = state.posterior.of_tasks(choice.tasks)
    mean, informative = marginals.mean(), marginals.informative(group_size(state, rollouts))
    predicted = {"mean": rounded(mean.mean()), "informative": rounded(informative.sum())}
    if not explain:
        return {"predicted": predicted}
    columns = {
        "mean": mean,
        "sd": marginals.sd(),
        "draw": choice.scores,
        "informative": informative,
        **marginals.parameters(),
    }
    rows = {
        name: [None if math.isnan(value) else rounded(value) for value in values.tolist()]
        for name, values in columns.items()
    }
    return {"predicted": predicted, "explain": rows}


def rounded(value: float) -> float:
    """With 7 significant digits: more than anybody reads, and half of what they would take."""
    return float(f"{value:.7g}")
