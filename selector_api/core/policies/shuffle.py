"""Baseline: epochs in random order, as a shuffling data loader makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from selector_api.core.candidates import Candidates, Choice
from selector_api.core.fields import schema
from selector_api.core.policies.policy import PolicyKind


@dataclass(frozen=True)
class Shuffle(PolicyKind):
    """Epochs: every task once in random order, then again."""

    __pydantic_config__ = schema(type="shuffle")

    type: Literal["shuffle"] = "shuffle"

    in_epochs: ClassVar[bool] = True

    def choose(self, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        """Uniformly among the candidates not yet seen in this epoch; where those end, a new epoch begins.

        Costs O(tasks seen in this epoch).
        """
        seen = candidates.state.history.seen_this_epoch(candidates.scope)
        unseen = candidates.without(np.fromiter(seen, np.int64, len(seen)))
        last_of_epoch = unseen.uniform(min(count, len(unseen)), rng)
        rest = candidates.without(last_of_epoch).uniform(count - len(last_of_epoch), rng)
        return Choice.unscored(np.concatenate([last_of_epoch, rest]))
