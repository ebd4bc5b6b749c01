"""What every policy is: a configuration that draws batches.

The fields here stand in many kinds. Their descriptions are metadata, because pydantic reads the strings behind a
class's own fields only.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le

from selector_api.core.candidates import Candidates, Choice
from selector_api.core.fields import Id, Share

if TYPE_CHECKING:
    from selector_api.core.state import RunState


@dataclass(frozen=True)
class BasePolicy(ABC):
    """How a run draws its batches: the configuration and what it does. A file a kind."""

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
    def choose(self, state: RunState, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        """`count` of the candidates.

        Args:
            state: of the run; it stays as it is.
            candidates: at least `count` tasks.
            count: >= 1.
            rng: where the draws come from.
        """


@dataclass(frozen=True)
class TargetPolicy(BasePolicy):
    """A policy that seeks tasks of a certain success probability."""

    target: Share = field(default=0.5, metadata={"description": "p*: the success probability that is sought"})
    temperature: Annotated[float, Ge(0.0), Le(1e6)] = field(
        default=0.0,
        metadata={"description": "τ: 0 takes the nearest tasks, above it a softmax of −|p̂ − p*|/τ"},
    )
    exploration: Share = field(
        default=0.0, metadata={"description": "Share of a batch that is drawn uniformly"}
    )
