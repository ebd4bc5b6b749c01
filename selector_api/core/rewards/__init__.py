"""Rewards: how a rollout's reward becomes successes. A file a kind, and its name in the union here."""

from __future__ import annotations

from typing import TypeAlias

from selector_api.core.rewards.range import Range
from selector_api.core.rewards.threshold import Threshold

Rewards: TypeAlias = Range | Threshold
