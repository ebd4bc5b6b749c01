"""Baseline: tasks in pool order, going on after the one selected last, over and over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from selector_api.core.arrays import IntArray
from selector_api.core.candidates import Candidates, Choice
from selector_api.core.fields import schema
from selector_api.core.policies.policy import PolicyKind


@dataclass(frozen=True)
class Sequential(PolicyKind):
    """Tasks in pool order, over and over."""

    __pydantic_config__ = schema(type="sequential")

    type: Literal["sequential"] = "sequential"

    def choose(self, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        """The next `count` candidates in pool order, after the task of this scope that was selected last."""
        state = candidates.state
        start = state.history.last_selected.get(candidates.scope, -1) + 1
        found: list[IntArray] = []
        missing, walked = count, 0
        while missing:
            # Stretches that double: the walk ends soon after the batch is full, not at the end of the pool.
            stretch = min(max(2 * count, walked), state.size - walked)
            tasks = (start + walked + np.arange(stretch)) % state.size
            tasks = tasks[candidates.allows(tasks)][:missing]
            found.append(tasks)
            missing -= len(tasks)
            walked += stretch
        return Choice.unscored(np.concatenate(found))
