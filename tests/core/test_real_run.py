"""Replay of a real GRPO run: BOTS finds more tasks that still teach something than uniform sampling does.

The pass counts lie beside the project, not in it; see the README there for what they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selector_api.core.config import RunConfig
from selector_api.core.policies import Policy, Random, Thompson
from selector_api.core.select import select
from tests.core import runs

DATA = Path(__file__).parents[3] / "shared" / "data" / "grpo_run_pass_counts.npz"
STEPS = 150
BATCH = 32


def effective_task_ratio(policy: Policy, correct: np.ndarray, visits: np.ndarray, rollouts: int) -> float:
    """ETR of a run in which a task at some point of training passes as often as it did there in the real one."""
    table = runs.table_of(runs.plain_rows(len(visits)))
    state = runs.started(RunConfig("p", seed=5, policy=policy), table)
    effective = 0
    for step in range(STEPS):
        tasks = select(state, BATCH).tasks
        passed = correct[tasks, (visits[tasks] * step) // STEPS]
        effective += int(((passed > 0) & (passed < rollouts)).sum())
        ids = table.ids(tasks)
        state = runs.commit(state, {id_: (int(s), rollouts) for id_, s in zip(ids, passed, strict=True)})
    return effective / (STEPS * BATCH)


@pytest.mark.skipif(not DATA.exists(), reason="the pass counts of a real run are not beside the project")
def test_bots_selects_effective_tasks_more_often_than_chance_in_a_real_run():
    with np.load(DATA) as data:
        correct, visits, rollouts = data["correct"], data["visits"].astype(np.int64), int(data["rollouts"])
    bots = effective_task_ratio(Thompson(), correct, visits, rollouts)
    chance = effective_task_ratio(Random(), correct, visits, rollouts)
    assert bots > chance + 0.1, f"seed 5: {bots:.3f} against {chance:.3f}"
