"""Taken over from selector_api/core/rewards/kind.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass


@dataclass(frozen=True)
class RewardsKind(ABC):
    """How rewards are counted: the configuration and what it does. A file a kind."""
