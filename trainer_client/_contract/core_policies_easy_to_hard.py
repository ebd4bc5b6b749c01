"""Taken over from selector_api/core/policies/easy_to_hard.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer_client._contract.core_fields import schema
from trainer_client._contract.core_policies_policy import PolicyKind


@dataclass(frozen=True)
class EasyToHard(PolicyKind):
    """Tasks by the mean pass rate of their references, highest first, over and over."""

    __pydantic_config__ = schema(type="easy-to-hard")

    type: Literal["easy-to-hard"] = "easy-to-hard"

    needs_references = True
