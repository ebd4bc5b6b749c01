"""Taken over from selector_api/core/policies/shuffle.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from trainer_client._contract.core_fields import schema
from trainer_client._contract.core_policies_policy import PolicyKind


@dataclass(frozen=True)
class Shuffle(PolicyKind):
    """Epochs: every task once in random order, then again."""

    __pydantic_config__ = schema(type="shuffle")

    type: Literal["shuffle"] = "shuffle"

    in_epochs: ClassVar[bool] = True
