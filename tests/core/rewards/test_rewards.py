"""How rewards count: in proportion between two bounds, or from a threshold on."""

from __future__ import annotations

import json

import pytest

from selector_api.core.rewards import Rewards
from selector_api.core.rewards.kind import RewardOutside
from selector_api.core.rewards.range import Range
from selector_api.core.rewards.threshold import Threshold


@pytest.mark.parametrize(
    ("kind", "rewards", "counts", "expected"),
    [
        (Range(), [0.25, 1, 0], [], (1.25, 3, True)),
        (Range(), [0.5] * 4, [], (2, 4, False)),
        (Range(-1, 1), [-1, 1, 1, -1], [], (2, 4, True)),
        (Range(-1, 1), [0.0, 0.0], [], (1, 2, False)),
        (Range(), [1.0000001, 1.0], [], (2, 2, False)),
        (Range(0, 10), [10.000005], [], (1, 1, False)),
        (Range(), [], [(3, 4), (0, 4)], (3, 8, True)),
        (Range(), [], [(0, 4), (0, 4)], (0, 8, False)),
        (Range(), [1, 1], [(2, 2)], (4, 4, False)),
        (Range(), [1, 1], [(0, 2)], (2, 4, True)),
        (Threshold(0.5), [0.5, 0.49, 1e8, -1e8], [], (2, 4, True)),
        (Threshold(0.5), [0.6, 0.7], [], (2, 2, True)),
    ],
)
def test_rewards_and_counts_of_one_task_are_one_outcome(
    kind: Rewards,
    rewards: list[float],
    counts: list[tuple[float, int]],
    expected: tuple[float, int, bool],
) -> None:
    seen = kind.counted(rewards, counts)
    assert (seen.successes, seen.trials, seen.informative) == expected


@pytest.mark.parametrize("reward", [1.1, -0.1, 1.000002, 10])
def test_a_reward_outside_the_range_names_itself_its_place_and_the_cure(reward: float) -> None:
    with pytest.raises(RewardOutside) as caught:
        Range().counted([0.5, reward])
    assert caught.value.place == 1
    for word in (f"{reward:g}", "from 0 to 1", '"rewards": {"type": "range"', '"min"', '"max"', "fork"):
        assert word in str(caught.value)


@pytest.mark.parametrize("reward", [1.000002, 123454321.0, 1 + 4e-6 / 3, -1e-5 / 3, 1e9])
def test_the_range_that_is_advised_holds_the_reward(reward: float) -> None:
    with pytest.raises(RewardOutside) as caught:
        Range().counted([reward])
    advised = json.loads("{" + str(caught.value).partition("{")[2].partition("}")[0] + "}")
    assert advised.pop("type") == "range"
    assert (advised["min"], advised["max"]) == (min(reward, 0), max(reward, 1))
    assert Range(**advised).counted([reward]).trials == 1
    assert str(reward).removesuffix(".0") in str(caught.value)


def test_a_reward_that_no_range_reaches_is_advised_a_threshold() -> None:
    with pytest.raises(RewardOutside, match=r'the reward 2000000000 lies .*"type": "threshold"'):
        Range().counted([2e9])


def test_a_range_is_not_empty() -> None:
    with pytest.raises(ValueError, match="min must be below max"):
        Range(1, 1)
