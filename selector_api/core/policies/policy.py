"""What every policy is: a configuration that draws batches."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from selector_api.core.candidates import Candidates, Choice
from selector_api.core.fields import Id, Share


@dataclass(frozen=True)
class PolicyKind(ABC):
    """How a run draws its batches: the configuration and what it does. A file a kind."""

    # A field of all kinds has its description as metadata: pydantic reads the strings behind a class's own alone.
    domains: dict[Id, Share] | None = field(
        default=None,
        metadata={
            "description": "Fixed share of each batch by domain, summing to 1; without it the pool is one"
        },
    )

    in_epochs: ClassVar[bool] = False
    """Whether it asks the history which tasks were seen in the epoch that is under way."""

    def __post_init__(self) -> None:
        if self.domains is not None and not math.isclose(sum(self.domains.values()), 1.0, abs_tol=1e-6):
            raise ValueError("the domains' shares must sum to 1")

    @abstractmethod
    def choose(self, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        """`count` of the candidates.

        Args:
            candidates: at least `count` tasks. They and their run's state stay as they are.
            count: >= 1.
            rng: where the draws come from.
        """
