"""Fixed shares of every batch by domain, in whole tasks: the rounding evens out over the selections."""

from __future__ import annotations

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray

# Due amounts nearer than this are equal: which domain comes first must not hang on the last bit of a sum.
_DECIMALS = 9


def apportioned(shares: FloatArray, drawn: IntArray, batch_size: int) -> IntArray:
    """How many tasks of the next batch come from each domain.

    The largest-remainder method on what is due to each domain, share × (all drawn + batch) − drawn, so that
    the totals stay within one task of the shares. Equal remainders go to the first domain.

    Args:
        shares: shape [domains], >= 0, taken relative to their sum.
        drawn: shape [domains], tasks drawn from each domain so far by these shares.
        batch_size: >= 0.

    Returns:
        Shape [domains], >= 0, summing to `batch_size`.
    """
    total = int(drawn.sum()) + batch_size
    due = (shares / shares.sum() * total - drawn).round(_DECIMALS)
    counts = np.floor(np.maximum(due, 0.0)).astype(np.int64)
    missing = batch_size - int(counts.sum())
    if missing > 0:
        counts[np.argsort(counts - due, kind="stable")[:missing]] += 1
    for _ in range(-missing):
        # A domain that is ahead of its share cannot give tasks back: those that get the most beyond their
        # due do.
        counts[np.argmax(np.where(counts > 0, counts - due, -np.inf))] -= 1
    return counts


def largest_batch(shares: FloatArray, drawn: IntArray, available: IntArray, at_most: int) -> int:
    """The largest batch, up to `at_most`, of which no domain's part is more than it has available.

    Args:
        shares: as in `apportioned`.
        drawn: as in `apportioned`.
        available: shape [domains], tasks that could be drawn from each domain now.
        at_most: >= 0.
    """
    used = shares > 0
    # No part falls short of what is due by more than two tasks and what others are ahead, which bounds the batch;
    # from there down to the first that fits.
    ahead = np.maximum(drawn - shares / shares.sum() * drawn.sum(), 0.0).sum()
    bounds = (available + drawn + 2 + ahead)[used] * shares.sum() / shares[used] - drawn.sum()
    size = max(min(at_most, int(available.sum()), int(bounds.min())), 0)
    while np.any(apportioned(shares, drawn, size) > available):
        size -= 1
    return size
