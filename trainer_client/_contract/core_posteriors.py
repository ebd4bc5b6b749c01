"""Taken over from selector_api/core/posteriors/__init__.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from typing import TypeAlias

from trainer_client._contract.core_posteriors_bots import Bots
from trainer_client._contract.core_posteriors_rasch import Rasch

PosteriorConfig: TypeAlias = Bots | Rasch
