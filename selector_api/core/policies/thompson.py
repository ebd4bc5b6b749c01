"""Thompson sampling (arXiv 2510.26374, section 4.4): take the tasks whose draws are nearest p*.

At τ = 0 no more is drawn than can matter, in the same law (docs/mathematics.md): individuals and the
tasks of small classes one by one, of large classes only the draws near p* (`nearest`). Which of a class's
tasks a draw belongs to is settled last, uniformly, since they are exchangeable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.candidates import Candidates, Choice
from selector_api.core.fields import schema
from selector_api.core.policies.exploration import explored
from selector_api.core.policies.nearest import draws_near
from selector_api.core.policies.policy import TargetPolicy
from selector_api.core.policies.softmax import softmax_sample

if TYPE_CHECKING:
    from selector_api.core.state import RunState

SMALL_CLASS = 48
"""Classes of up to this many tasks are drawn task by task: for Beta distributions that many draws cost what a
class's part in finding the radius does, some five evaluations of its distribution function (measured)."""


@dataclass(frozen=True)
class Thompson(TargetPolicy):
    """Tasks whose drawn success probability is nearest the target."""

    __pydantic_config__ = schema(type="thompson", target=0.5, temperature=0.0, exploration=0.05)

    type: Literal["thompson"] = "thompson"

    def choose(self, state: RunState, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        """`count` candidates by the distance |p̂ − p*| of their draws: the nearest, or for τ > 0 a softmax."""
        choose_by_draws = self._nearest if self.temperature == 0 else self._softmax

        def rest(candidates: Candidates, count: int) -> Choice:
            return choose_by_draws(state, candidates, count, rng)

        return explored(self.exploration, candidates, count, rng, rest)

    def _nearest(
        self, state: RunState, candidates: Candidates, count: int, rng: np.random.Generator
    ) -> Choice:
        classes = state.posterior.of_classes().take(candidates.classes)
        sizes = candidates.class_counts
        (small,) = np.nonzero(sizes <= SMALL_CLASS)
        (large,) = np.nonzero(sizes > SMALL_CLASS)

        one_by_one = np.repeat(small, sizes[small])
        draws = np.concatenate(
            [
                state.posterior.of_tasks(candidates.individuals).draw(rng),
                classes.take(one_by_one).draw(rng),
            ]
        )
        first_class = len(candidates.individuals)
        groups = np.concatenate([np.arange(first_class), first_class + one_by_one])

        distances = np.abs(draws - self.target)
        (near,) = np.nonzero(distances <= _distance_of(distances, count))
        draws, groups, distances = draws[near], groups[near], distances[near]
        if len(large):
            rows, more = draws_near(classes.take(large), sizes[large], self.target, distances, count, rng)
            draws = np.concatenate([draws, more])
            groups = np.concatenate([groups, first_class + large[rows]])
            distances = np.abs(draws - self.target)

        chosen = np.lexsort((rng.random(len(draws)), distances))[:count]  # equal distances in random order
        return Choice(candidates.tasks_of(groups[chosen], rng), draws[chosen])

    def _softmax(
        self, state: RunState, candidates: Candidates, count: int, rng: np.random.Generator
    ) -> Choice:
        """Task by task: costs O(pool)."""
        tasks: IntArray = candidates.tasks()
        draws = state.posterior.of_tasks(tasks).draw(rng)
        chosen = softmax_sample(draws, self.target, self.temperature, count, rng)
        return Choice(tasks[chosen], draws[chosen])


def _distance_of(distances: FloatArray, count: int) -> float:
    """The `count`-th smallest distance, ∞ if there are fewer."""
    return float(np.partition(distances, count - 1)[count - 1]) if count <= len(distances) else np.inf
