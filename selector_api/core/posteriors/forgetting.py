"""How evidence decays: by λ at every commit."""

from __future__ import annotations

import numpy as np

from selector_api.core.arrays import IntArray
from selector_api.core.doubledouble import DoubleDouble


class Forgetting:
    """The powers of 1−λ, each worked out once."""

    def __init__(self, share: float) -> None:
        self.kept = DoubleDouble.of(1.0 - share)
        """What a commit leaves: 1−λ."""
        self._powers = DoubleDouble.of(np.ones(1))  # (1−λ)^0, (1−λ)^1, … as far as needed

    def since(self, written: IntArray, step: int) -> DoubleDouble:
        """What is left at `step` of what was written at these earlier steps: (1−λ)^(step − written)."""
        while len(self._powers.hi) <= step and self._powers.hi[-1] > 0.0:
            # Doubling: the second half of the table is its first half times one power.
            known = len(self._powers.hi)
            last = self._powers.take(np.array([known - 1])).times(self.kept)
            self._powers = self._powers.joined(self._powers.times(last))
        # Once a power is 0 all further ones are.
        return self._powers.take(np.minimum(step - written, len(self._powers.hi) - 1))
