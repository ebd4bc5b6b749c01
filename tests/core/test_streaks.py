"""What is solved, relapsed and stuck is counted as groups come, as a recount of all of them tells."""

from __future__ import annotations

import numpy as np

from selector_api.core.streaks import STUCK, Streaks

SEED = 5


def see(streaks: Streaks, *groups: tuple[int, float, int]) -> None:
    tasks, successes, trials = (np.array(column) for column in zip(*groups, strict=True))
    streaks.see(tasks, successes.astype(float), trials)


def counts(streaks: Streaks) -> tuple[int, int, int]:
    return streaks.solved, streaks.relapsed, streaks.stuck


def test_a_task_is_solved_relapses_and_is_stuck():
    streaks = Streaks()
    streaks.grow(3)
    see(streaks, (0, 4, 4), (1, 0, 4))
    see(streaks, (0, 4, 4), (1, 0, 4))
    assert (streaks.of_tasks(np.arange(3)).tolist(), counts(streaks)) == ([2, -2, 0], (1, 0, 0))
    see(streaks, (0, 1, 4), (1, 0, 4))
    assert (streaks.of_tasks(np.arange(3)).tolist(), counts(streaks)) == ([0, -3, 0], (0, 1, 0))
    see(streaks, (0, 0, 4), (1, 0, 4))
    assert (streaks.of_tasks(np.arange(3)).tolist(), counts(streaks)) == ([-1, -STUCK, 0], (0, 1, 1))
    see(streaks, (0, 4, 4), (1, 0.5, 4))
    assert (streaks.of_tasks(np.arange(3)).tolist(), counts(streaks)) == ([1, 0, 0], (1, 0, 0))


def test_a_single_rollout_is_no_group():
    streaks = Streaks()
    streaks.grow(1)
    see(streaks, (0, 1, 1))
    assert (streaks.of_tasks(np.arange(1)).tolist(), counts(streaks)) == ([0], (0, 0, 0))


def test_the_counts_are_those_of_a_recount_also_from_a_snapshot():
    rng = np.random.default_rng(SEED)
    streaks = Streaks()
    streaks.grow(30)
    history: dict[int, list[float]] = {task: [] for task in range(30)}
    for _ in range(200):
        tasks = rng.choice(30, 8, replace=False)
        rates = rng.choice([0.0, 0.5, 1.0], 8, p=[0.45, 0.1, 0.45])
        streaks.see(tasks, 4 * rates, np.full(8, 4))
        for task, rate in zip(tasks.tolist(), rates.tolist(), strict=True):
            history[task].append(rate)
        solved = sum(seen[-1:] == [1.0] for seen in history.values())
        relapsed = sum(1.0 in seen and seen[-1] != 1.0 for seen in history.values())
        stuck = sum(seen[-STUCK:] == [0.0] * STUCK for seen in history.values())
        assert counts(streaks) == (solved, relapsed, stuck), SEED
    restored = Streaks.restored(30, streaks.to_arrays())
    assert counts(restored) == counts(streaks)
    np.testing.assert_array_equal(restored.of_tasks(np.arange(30)), streaks.of_tasks(np.arange(30)))


def test_tasks_that_joined_later_are_told_like_others():
    streaks = Streaks()
    for size in (5, 6, 40):
        streaks.grow(size)
        for _ in range(STUCK):
            streaks.see(np.array([size - 1]), np.zeros(1), np.full(1, 4))
        assert streaks.stuck_among(np.arange(size)).tolist() == [
            each - 1 for each in (5, 6, 40) if each <= size
        ]
