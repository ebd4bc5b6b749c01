from __future__ import annotations

import math

import numpy as np
import pytest

from selector_api.core.replay import Forecast, Groups, Replay
from selector_api.core.scores import Seen, Verdict, smoothed_rates


def replay_of(step: list[int], task: list[int], successes: list[float], trials: float = 4.0) -> Replay:
    groups = Groups(
        np.array(step), np.array(task), np.array(task) % 2, np.array(successes), np.full(len(step), trials)
    )
    return Replay(groups, [], max(step), 0, 0)


def test_scores_computed_by_hand() -> None:
    replay = replay_of([1, 1, 10, 10], [0, 1, 0, 1], [4.0, 0.0, 2.0, 1.0])
    forecast = Forecast(np.array([0.5, 0.25, 0.55, 0.25]), np.log([0.5, 0.25, 0.5, 0.125]))
    verdict = Verdict.of(forecast, Seen.of(replay, ("algebra", "sets")))
    assert verdict.all.groups == 4
    assert verdict.all.log_loss == pytest.approx(math.log(2) * (1 + 2 + 1 + 3) / 4)
    assert verdict.all.brier == pytest.approx((0.25 + 0.0625 + 0.0025 + 0.0) / 4)
    # The bin of .5 expects (.5 + .55) / 2 and sees .75, that of .2 expects .25 and sees .125.
    assert verdict.all.calibration_error == pytest.approx((2 * 0.225 + 2 * 0.125) / 4)
    assert verdict.all.mae is None  # two groups a task are too few
    assert [(each.groups, each.seen) for each in verdict.bins] == [(2, 0.125), (2, 0.75)]
    assert [scores.groups for scores in verdict.by_stretch] == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert verdict.by_stretch[1].log_loss is None
    assert verdict.by_domain["algebra"].log_loss == pytest.approx(math.log(2))
    assert verdict.by_domain["sets"].log_loss == pytest.approx(math.log(2) * 2.5)


def test_a_steady_task_has_its_pass_rate_at_every_moment() -> None:
    replay = replay_of(list(range(1, 41)), [7] * 40, [1.0] * 40)
    assert smoothed_rates(replay).tolist() == pytest.approx([0.25] * 40)


def test_a_task_that_changes_is_followed() -> None:
    steps = np.repeat(np.arange(1, 401), 2)
    tasks = np.tile([0, 3], 400)
    replay = replay_of(
        steps.tolist(), tasks.tolist(), np.where((tasks == 0) & (steps > 200), 4.0, 0.0).tolist()
    )
    smoothed = smoothed_rates(replay)
    risen = smoothed[tasks == 0]
    assert risen[:100].max() < 0.001
    assert risen[-100:].min() > 0.999
    assert (np.diff(risen) >= 0).all()
    assert smoothed[tasks == 3].max() == 0.0


def test_a_task_with_few_groups_has_no_smoothed_rate() -> None:
    replay = replay_of([1, 2, 3, 4, 4, 5], [0, 0, 0, 0, 1, 0], [1.0] * 6)
    assert np.isnan(smoothed_rates(replay)).tolist() == [False] * 4 + [True, False]


def test_logs_are_joined_by_the_names_of_their_domains() -> None:
    one = Seen.of(replay_of([1, 1], [0, 1], [4.0, 0.0]), ("algebra", "sets"))
    other = Seen.of(replay_of([1, 10], [1, 0], [1.0, 2.0]), ("words", "algebra"))
    seen = Seen.joined([one, other])
    assert [seen.domains[code] for code in seen.domain] == ["algebra", "sets", "algebra", "words"]
    assert seen.rates.tolist() == [1.0, 0.0, 0.25, 0.5]
    assert seen.stretch.tolist() == [0, 0, 0, 9]
    parts = [Forecast(np.full(2, 0.5), np.full(2, math.log(p))) for p in (0.5, 0.25)]
    verdict = Verdict.of(Forecast.joined(parts), seen)
    assert verdict.all.log_loss == pytest.approx(1.5 * math.log(2))
    assert verdict.by_domain["algebra"].groups == 2


def test_scores_of_no_groups() -> None:
    no_number, nobody = np.empty(0), np.empty(0, np.int64)
    nothing = Replay(Groups(nobody, nobody, nobody, no_number, no_number), [], 0, 0, 0)
    verdict = Verdict.of(Forecast(no_number, no_number), Seen.of(nothing, ()))
    assert verdict.all.log_loss is None
    assert verdict.all.calibration_error is None
    assert verdict.by_domain == {}
