"""Thompson sampling (arXiv 2510.26374, section 4.4): take the tasks whose draws are nearest p*.

At τ = 0 no more is drawn than can matter, in the same law (docs/mathematics.md): individuals and the
tasks of small classes one by one, of large classes only the draws near p* (`nearest`). Which of a class's
tasks a draw belongs to is settled last, uniformly, since they are exchangeable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from selector_api.core.arrays import FloatArray
from selector_api.core.candidates import Candidates, Choice
from selector_api.core.fields import schema
from selector_api.core.policies.nearest import draws_near
from selector_api.core.policies.target import TargetPolicy
from selector_api.core.posteriors.posterior import Marginals

SMALL_CLASS = 48
"""Classes of up to this many tasks are drawn task by task: for Beta distributions that many draws cost what a
class's part in finding the radius did, some five evaluations of its distribution function. It is less now, but
another number would be other draws of a seed."""


@dataclass(frozen=True)
class Thompson(TargetPolicy):
    """Tasks whose drawn success probability is nearest the target."""

    __pydantic_config__ = schema(type="thompson", target=0.5, temperature=0.0, exploration=0.05)

    type: Literal["thompson"] = "thompson"

    def _scores(self, marginals: Marginals, rng: np.random.Generator) -> FloatArray:
        return marginals.draw(rng)

    def _nearest(self, candidates: Candidates, count: int, target: float, rng: np.random.Generator) -> Choice:
        posterior = candidates.state.posterior
        classes = posterior.of_classes().take(candidates.classes)
        sizes = candidates.class_counts
        (small,) = np.nonzero(sizes <= SMALL_CLASS)
        (large,) = np.nonzero(sizes > SMALL_CLASS)

        one_by_one = np.repeat(small, sizes[small])
        draws = np.concatenate(
            [
                posterior.of_tasks(candidates.individuals).draw(rng),
                classes.take(one_by_one).draw(rng),
            ]
        )
        first_class = len(candidates.individuals)
        strata = np.concatenate([np.arange(first_class), first_class + one_by_one])

        distances = np.abs(draws - target)
        (near,) = np.nonzero(distances <= _distance_of(distances, count))
        draws, strata, distances = draws[near], strata[near], distances[near]
        if len(large):
            rows, more = draws_near(classes.take(large), sizes[large], target, distances, count, rng)
            draws = np.concatenate([draws, more])
            strata = np.concatenate([strata, first_class + large[rows]])
            distances = np.abs(draws - target)

        chosen = np.lexsort((rng.random(len(draws)), distances))[:count]  # equal distances in random order
        return Choice(candidates.tasks_of(strata[chosen], rng), draws[chosen])


def _distance_of(distances: FloatArray, count: int) -> float:
    """The `count`-th smallest distance, ∞ if there are fewer."""
    if count > len(distances):
        return np.inf
    few = distances[: 8 * count]
    if len(few) < len(distances):  # that of a part is no smaller, and quick to find
        distances = distances[distances <= np.partition(few, count - 1)[count - 1]]
    return float(np.partition(distances, count - 1)[count - 1])
