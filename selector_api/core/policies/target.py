"""Policies that seek tasks of a certain success probability."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le

from selector_api.core.arrays import FloatArray
from selector_api.core.candidates import Candidates, Choice
from selector_api.core.fields import Share
from selector_api.core.history import WHOLE_POOL
from selector_api.core.policies.exploration import explored, spread
from selector_api.core.policies.policy import DomainPart, MovingTarget, PolicyKind, Target
from selector_api.core.policies.softmax import softmax_sample
from selector_api.core.posteriors.posterior import Marginals


@dataclass(frozen=True)
class TargetPolicy(PolicyKind):
    """Tasks by the distance |p̂ − p*|, where p̂ is what a kind takes for a task's success probability."""

    target: Target = field(
        default=0.5,
        metadata={
            "description": "p*: the success probability that is sought, or how it moves with the commits"
        },
    )
    temperature: Annotated[float, Ge(0.0), Le(1e6)] = field(
        default=0.0,
        metadata={"description": "τ: 0 takes the nearest tasks, above it a softmax of −|p̂ − p*|/τ"},
    )
    exploration: Share = field(
        default=0.0, metadata={"description": "Share of a batch that is drawn uniformly"}
    )

    has_target: ClassVar[bool] = True

    def target_of(self, candidates: Candidates) -> float:
        """p* of these candidates, at the step of their run."""
        state, target = candidates.state, self.target
        if candidates.scope != WHOLE_POOL:
            part = (self.domains or {}).get(state.table.domains[candidates.scope])
            if isinstance(part, DomainPart) and part.target is not None:
                target = part.target
        return target.at(state.step - state.policy_since) if isinstance(target, MovingTarget) else target

    def choose(self, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        """A share of `count` uniformly; of the others the nearest, or for τ > 0 a softmax."""
        return explored(self.exploration, candidates, count, rng, self._by_target(candidates, rng))

    def order(self, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        """The nearest first, or in the order of the softmax, with a share of uniform ones among them."""
        return spread(self.exploration, candidates, count, rng, self._by_target(candidates, rng))

    def _by_target(
        self, candidates: Candidates, rng: np.random.Generator
    ) -> Callable[[Candidates, int], Choice]:
        choose = self._nearest if self.temperature == 0 else self._softmax
        target = self.target_of(candidates)
        return lambda candidates, count: choose(candidates, count, target, rng)

    @abstractmethod
    def _scores(self, marginals: Marginals, rng: np.random.Generator) -> FloatArray:
        """p̂ of every row."""

    @abstractmethod
    def _nearest(self, candidates: Candidates, count: int, target: float, rng: np.random.Generator) -> Choice:
        """The `count` candidates whose p̂ is nearest p*; of equal ones uniformly."""

    def _softmax(self, candidates: Candidates, count: int, target: float, rng: np.random.Generator) -> Choice:
        """Task by task: costs O(pool)."""
        tasks = candidates.tasks()
        scores = self._scores(candidates.state.posterior.of_tasks(tasks), rng)
        chosen = softmax_sample(scores, target, self.temperature, count, rng)
        return Choice(tasks[chosen], scores[chosen])
