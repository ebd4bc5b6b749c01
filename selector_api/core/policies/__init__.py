"""Policies: how a batch is drawn from the candidates. A file a kind, and one line here."""

from __future__ import annotations

from typing import TypeAlias

from selector_api.core.policies.easy_to_hard import EasyToHard
from selector_api.core.policies.posterior_mean import PosteriorMean
from selector_api.core.policies.random import Random
from selector_api.core.policies.sequential import Sequential
from selector_api.core.policies.shuffle import Shuffle
from selector_api.core.policies.signal import Signal
from selector_api.core.policies.thompson import Thompson

Policy: TypeAlias = Thompson | PosteriorMean | Signal | Random | Sequential | Shuffle | EasyToHard
