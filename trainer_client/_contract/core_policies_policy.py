"""Taken over from selector_api/core/policies/policy.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

import math
from abc import ABC
from dataclasses import dataclass, field
from typing import ClassVar

from trainer_client._contract.core_fields import Id, Share


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
