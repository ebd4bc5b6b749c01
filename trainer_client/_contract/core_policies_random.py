"""Taken over from selector_api/core/policies/random.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer_client._contract.core_fields import schema
from trainer_client._contract.core_policies_policy import PolicyKind


@dataclass(frozen=True)
class Random(PolicyKind):
    """Uniformly drawn tasks."""

    __pydantic_config__ = schema(type="random", domains={"math": 0.75, "code": 0.25})

    type: Literal["random"] = "random"
