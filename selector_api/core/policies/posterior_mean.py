"""Tasks whose posterior mean is nearest the target: the greedy counterpart of Thompson sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from selector_api.core.arrays import FloatArray
from selector_api.core.candidates import Candidates, Choice, uniform_strata
from selector_api.core.fields import schema
from selector_api.core.policies.target import TargetPolicy
from selector_api.core.posteriors.posterior import Marginals

# Distances nearer than this are equal: 0.3 and 0.7 are as far from 0.5, though their difference in floats
# is not.
_DECIMALS = 12


@dataclass(frozen=True)
class PosteriorMean(TargetPolicy):
    """Tasks whose posterior mean is nearest the target."""

    __pydantic_config__ = schema(type="posterior-mean", target=0.5, temperature=0.05, exploration=0.0)

    type: Literal["posterior-mean"] = "posterior-mean"

    def _scores(self, marginals: Marginals, rng: np.random.Generator) -> FloatArray:
        return marginals.mean()

    def _nearest(self, candidates: Candidates, count: int, target: float, rng: np.random.Generator) -> Choice:
        """By strata: all tasks of the nearest ones, and of those at the distance where the batch is full some."""
        means = candidates.by_stratum(lambda marginals: marginals.mean())
        sizes = candidates.sizes()
        distances = np.round(np.abs(means - target), _DECIMALS)
        by_distance = np.argsort(distances)
        last = distances[by_distance[np.searchsorted(np.cumsum(sizes[by_distance]), count)]]
        (whole,) = np.nonzero(distances < last)
        (partial,) = np.nonzero(distances == last)
        whole = np.repeat(whole, sizes[whole])
        partial = partial[uniform_strata(sizes[partial], count - len(whole), rng)]
        strata = np.concatenate([whole, partial])
        strata = strata[np.lexsort((rng.random(count), distances[strata]))]
        return Choice(candidates.tasks_of(strata, rng), means[strata])
