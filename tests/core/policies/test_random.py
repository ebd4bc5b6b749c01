from __future__ import annotations

import numpy as np

from selector_api.core.policies import Random
from tests.core import laws


def test_every_free_task_is_as_likely_at_every_place():
    state = laws.mixed_run(Random())
    free = laws.free_tasks(state)
    tasks, _ = laws.selections(state, 4, 3000)
    for position in (0, 3):
        counts = np.bincount(tasks[:, position], minlength=state.size)[free]
        assert laws.expected_frequencies(counts, np.full(len(free), 1 / len(free))) > laws.P_VALUE
