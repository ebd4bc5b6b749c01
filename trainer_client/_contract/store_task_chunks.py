"""Taken over from selector_api/store/task_chunks.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

MAX_REFERENCES = 64
"""Names of references that a pool may have: each is a column over all its tasks."""
