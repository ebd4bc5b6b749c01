"""Tasks in proportion to the signal that GRPO can expect of them: E[4p(1 − p)].

It is 1 for a task that surely passes every other time, and 0 for one that always passes or always fails: 4 times
the variance of a pass, so the advantages of a group grow with it. Nothing is sought and nothing starves: every task
has a chance at every step, the larger the more can be learned of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import numpy as np
from annotated_types import Gt, Le

from selector_api.core.candidates import Candidates, Choice
from selector_api.core.fields import Share, schema
from selector_api.core.policies.clocks import first_to_ring
from selector_api.core.policies.exploration import explored, spread
from selector_api.core.policies.policy import PolicyKind
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.posterior import PosteriorKind

LEAST_WEIGHT = 1e-6
"""What even a task that is surely hopeless, or surely solved, has: no task's chance is 0."""

MOST_FORGETTING = 0.01
"""Of a `bots` posterior, for this policy."""


@dataclass(frozen=True)
class Signal(PolicyKind):
    """Tasks in proportion to their expected signal E[4p(1 − p)], to a power."""

    __pydantic_config__ = schema(type="signal", power=1.0, exploration=0.0)

    power: Annotated[float, Gt(0.0), Le(100.0)] = 1.0
    """How strongly the signal counts: weights are E[4p(1 − p)] to this power"""
    exploration: Share = 0.0
    """Share of a batch that is drawn uniformly"""
    type: Literal["signal"] = "signal"

    def unsuited(self, posterior: PosteriorKind) -> str | None:
        """A posterior that forgets much at every step has too little to tell tasks apart by."""
        if not isinstance(posterior, Bots) or posterior.forgetting <= MOST_FORGETTING:
            return None
        return (
            f"posterior.forgetting: the policy signal wants {MOST_FORGETTING} or less, and this run has "
            f"{posterior.forgetting}: most tasks are forgotten before they are drawn again; fork the run with a "
            "posterior that forgets less"
        )

    def choose(self, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        """A share of `count` uniformly, the others one after another by weight, in that order. No scores."""
        return explored(self.exploration, candidates, count, rng, partial(self._by_weight, rng))

    def order(self, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        """One after another by weight, with a share of uniform ones among them."""
        return spread(self.exploration, candidates, count, rng, partial(self._by_weight, rng))

    def _by_weight(self, rng: np.random.Generator, candidates: Candidates, count: int) -> Choice:
        signal = candidates.by_stratum(lambda marginals: marginals.signal())
        weights = np.maximum(signal**self.power, LEAST_WEIGHT)
        strata = first_to_ring(weights, candidates.sizes(), count, rng)
        return Choice.unscored(candidates.tasks_of(strata, rng))
