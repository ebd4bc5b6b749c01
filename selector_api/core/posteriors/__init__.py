"""Posteriors: what a run knows of its tasks' success probabilities. A file a kind, and one line here."""

from __future__ import annotations

from typing import TypeAlias

from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.rasch import Rasch

PosteriorConfig: TypeAlias = Bots | Rasch
