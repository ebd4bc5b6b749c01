"""Random numbers by counter: a selection's draws follow from the run's seed and its number alone."""

from __future__ import annotations

import numpy as np


def generator(seed: int, number: int) -> np.random.Generator:
    """The generator of selection `number` of a run with this seed.

    Philox-4x64 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), keyed by the two:
    generators of different keys are independent, and none has to be advanced through the selections before
    it.

    The bit stream of a Philox key never changes, but numpy may change between versions how a `Generator`
    makes, say, a beta variate of it (NEP 19). After such an upgrade the next selections may differ from
    those that the older version would have made, equal in law. What was selected stands in the log and is
    never drawn again.

    Args:
        seed: 0 to 2⁶³−1.
        number: the selection's number, from 1.
    """
    return np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))
