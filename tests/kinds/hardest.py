"""A seventh policy, to show what one is: the tasks that are least likely solved, by their posterior means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from selector_api.core.candidates import Candidates, Choice
from selector_api.core.fields import schema
from selector_api.core.policies.policy import PolicyKind


@dataclass(frozen=True)
class Hardest(PolicyKind):
    """Tasks of the least posterior mean."""

    __pydantic_config__ = schema(type="hardest")

    type: Literal["hardest"] = "hardest"

    def choose(self, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        tasks = candidates.tasks()
        means = candidates.state.posterior.of_tasks(tasks).mean()
        chosen = np.lexsort((rng.random(len(tasks)), means))[:count]
        return Choice(tasks[chosen], means[chosen])
