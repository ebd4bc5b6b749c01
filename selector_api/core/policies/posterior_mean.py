"""Tasks whose posterior mean is nearest the target: the greedy counterpart of Thompson sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from selector_api.core.candidates import Candidates, Choice, uniform_groups
from selector_api.core.fields import schema
from selector_api.core.policies.exploration import explored
from selector_api.core.policies.policy import TargetPolicy
from selector_api.core.policies.softmax import softmax_sample

if TYPE_CHECKING:
    from selector_api.core.state import RunState

# Distances nearer than this are equal: 0.3 and 0.7 are as far from 0.5, though their difference in floats
# is not.
_DECIMALS = 12


@dataclass(frozen=True)
class PosteriorMean(TargetPolicy):
    """Tasks whose posterior mean is nearest the target."""

    __pydantic_config__ = schema(type="posterior-mean", target=0.5, temperature=0.05, exploration=0.0)

    type: Literal["posterior-mean"] = "posterior-mean"

    def choose(self, state: RunState, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        """`count` candidates by the distance |mean − p*|; among equal ones uniformly."""
        choose_greedily = self._nearest if self.temperature == 0 else self._softmax

        def rest(candidates: Candidates, count: int) -> Choice:
            return choose_greedily(state, candidates, count, rng)

        return explored(self.exploration, candidates, count, rng, rest)

    def _nearest(
        self, state: RunState, candidates: Candidates, count: int, rng: np.random.Generator
    ) -> Choice:
        """By groups: all tasks of the nearest ones, and of those at the distance where the batch is full some."""
        posterior = state.posterior
        means = np.concatenate(
            [
                posterior.of_tasks(candidates.individuals).mean(),
                posterior.of_classes().take(candidates.classes).mean(),
            ]
        )
        sizes = candidates.sizes()
        distances = np.round(np.abs(means - self.target), _DECIMALS)
        by_distance = np.argsort(distances)
        last = distances[by_distance[np.searchsorted(np.cumsum(sizes[by_distance]), count)]]
        (whole,) = np.nonzero(distances < last)
        (partial,) = np.nonzero(distances == last)
        whole = np.repeat(whole, sizes[whole])
        partial = partial[uniform_groups(sizes[partial], count - len(whole), rng)]
        groups = np.concatenate([whole, partial])
        groups = groups[np.lexsort((rng.random(count), distances[groups]))]
        return Choice(candidates.tasks_of(groups, rng), means[groups])

    def _softmax(
        self, state: RunState, candidates: Candidates, count: int, rng: np.random.Generator
    ) -> Choice:
        """Task by task: costs O(pool)."""
        tasks = candidates.tasks()
        means = state.posterior.of_tasks(tasks).mean()
        chosen = softmax_sample(means, self.target, self.temperature, count, rng)
        return Choice(tasks[chosen], means[chosen])
