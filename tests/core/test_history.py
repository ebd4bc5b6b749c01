"""How old the evidence of tasks is."""

from __future__ import annotations

import numpy as np

from selector_api.core.history import History


def test_evidence_is_as_old_as_the_last_commit_that_had_some_also_where_tasks_join() -> None:
    history = History(in_epochs=False)
    history.grow(3)
    history.record_commit(np.array([0, 1]), 1)
    history.grow(40)
    history.record_commit(np.array([1, 39]), 20)
    assert history.last_step(np.array([0, 1, 2, 38, 39])).tolist() == [1, 20, -1, -1, 20]
    assert history.ages(40) == {10: 0, 30: 2, 100: 1, 300: 0, 1000: 0, None: 0}
    assert history.ages(1100) == {10: 0, 30: 0, 100: 0, 300: 0, 1000: 0, None: 3}
