"""Taken over from selector_api/core/policies/sequential.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer_client._contract.core_fields import schema
from trainer_client._contract.core_policies_policy import PolicyKind


@dataclass(frozen=True)
class Sequential(PolicyKind):
    """Tasks in pool order, over and over."""

    __pydantic_config__ = schema(type="sequential")

    type: Literal["sequential"] = "sequential"
