"""Taken over from selector_api/core/policies/thompson.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer_client._contract.core_fields import schema
from trainer_client._contract.core_policies_target import TargetPolicy


@dataclass(frozen=True)
class Thompson(TargetPolicy):
    """Tasks whose drawn success probability is nearest the target."""

    __pydantic_config__ = schema(type="thompson", target=0.5, temperature=0.0, exploration=0.05)

    type: Literal["thompson"] = "thompson"
