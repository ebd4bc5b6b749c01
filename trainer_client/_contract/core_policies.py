"""Taken over from selector_api/core/policies/__init__.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from typing import TypeAlias

from trainer_client._contract.core_policies_easy_to_hard import EasyToHard
from trainer_client._contract.core_policies_posterior_mean import PosteriorMean
from trainer_client._contract.core_policies_random import Random
from trainer_client._contract.core_policies_sequential import Sequential
from trainer_client._contract.core_policies_shuffle import Shuffle
from trainer_client._contract.core_policies_signal import Signal
from trainer_client._contract.core_policies_thompson import Thompson

Policy: TypeAlias = Thompson | PosteriorMean | Signal | Random | Sequential | Shuffle | EasyToHard
