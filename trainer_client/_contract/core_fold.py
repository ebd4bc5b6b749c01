"""Taken over from selector_api/core/fold.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

LOG_VERSION = 2
"""Version of the logs that this code begins; it stands in their `created` events. Older ones are read and go on.

1 (releases 0.1 and 0.2): the configuration has `implicit` beside its posterior.
"""
