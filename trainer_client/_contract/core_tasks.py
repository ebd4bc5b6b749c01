"""Taken over from selector_api/core/tasks.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

DEFAULT_DOMAIN = "default"
"""The domain of a task that names none."""
