"""Taken over from selector_api/store/codec.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What was seen of one task: `successes` (0 to `trials`, may be fractional) of `trials` (> 0)."""

    task: str
    successes: float
    trials: int
