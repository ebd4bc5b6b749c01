"""Baseline: uniformly drawn tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from selector_api.core.candidates import Candidates, Choice
from selector_api.core.fields import schema
from selector_api.core.policies.policy import PolicyKind


@dataclass(frozen=True)
class Random(PolicyKind):
    """Uniformly drawn tasks."""

    __pydantic_config__ = schema(type="random", domains={"math": 0.75, "code": 0.25})

    type: Literal["random"] = "random"

    def choose(self, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        """`count` of the candidates, all equally likely."""
        return Choice.unscored(candidates.uniform(count, rng))
