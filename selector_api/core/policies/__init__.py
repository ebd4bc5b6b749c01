"""Policies: how a batch is drawn from the candidates. A file a policy; `choose` is the one dispatch."""

from __future__ import annotations

import numpy as np

from selector_api.core.candidates import Candidates, Choice
from selector_api.core.config import (
    EasyToHardPolicy,
    PosteriorMeanPolicy,
    RandomPolicy,
    SequentialPolicy,
    ShufflePolicy,
    ThompsonPolicy,
)
from selector_api.core.policies import easy_to_hard, posterior_mean, sequential, shuffle, thompson
from selector_api.core.state import RunState


def choose(state: RunState, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
    """`count` of the candidates, by the policy that the run is configured with.

    Args:
        state: of the run; it stays as it is.
        candidates: at least `count` tasks.
        count: >= 1.
        rng: where the draws come from.
    """
    policy = state.config.policy
    match policy:
        case ThompsonPolicy():
            return thompson.choose(policy, state, candidates, count, rng)
        case PosteriorMeanPolicy():
            return posterior_mean.choose(policy, state, candidates, count, rng)
        case RandomPolicy():
            return Choice.unscored(candidates.uniform(count, rng))
        case SequentialPolicy():
            return sequential.choose(state, candidates, count)
        case ShufflePolicy():
            return shuffle.choose(state, candidates, count, rng)
        case EasyToHardPolicy():
            return easy_to_hard.choose(state, candidates, count)
