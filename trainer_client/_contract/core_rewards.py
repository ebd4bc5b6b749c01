"""Taken over from selector_api/core/rewards/__init__.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from typing import TypeAlias

from trainer_client._contract.core_rewards_range import Range
from trainer_client._contract.core_rewards_threshold import Threshold

Rewards: TypeAlias = Range | Threshold
