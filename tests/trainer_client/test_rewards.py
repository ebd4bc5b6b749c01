"""Which rewards a run takes, as a trainer knows it: what it does not take is named, with the cure."""

import json
import math

import pytest

from trainer_client.rewards import RewardOutOfRange, RewardScale


@pytest.mark.parametrize("reward", [1.000002, 123454321.0, 1 + 4e-6 / 3, -1e-5 / 3, 1e9])
def test_the_range_that_is_advised_holds_the_reward(reward: float):
    with pytest.raises(RewardOutOfRange) as caught:
        RewardScale().checked(reward)
    assert f"got a reward of {reward!r}, but the run's range is 0 to 1." in str(caught.value)
    advised = json.loads("{" + str(caught.value).partition("{")[2].partition("}")[0] + "}")
    assert RewardScale.of(advised) == RewardScale(min(reward, 0), max(reward, 1))
    assert RewardScale.of(advised).checked(reward) == reward


def test_a_reward_that_no_range_reaches_is_advised_a_threshold():
    with pytest.raises(RewardOutOfRange, match=r"got a reward of 2000000000\.0") as caught:
        RewardScale().checked(2e9)
    assert '"type": "range"' not in str(caught.value)
    assert '{"type": "threshold", "pass_at": …}' in str(caught.value)


@pytest.mark.parametrize("scale", [RewardScale(), RewardScale(pass_at=0.5)], ids=repr)
@pytest.mark.parametrize("reward", [math.inf, -math.inf, math.nan])
def test_no_run_takes_what_is_not_finite(scale: RewardScale, reward: float):
    with pytest.raises(RewardOutOfRange, match=f"got a reward of {reward}; .*finite") as caught:
        scale.checked(reward)
    assert "Make a run" not in str(caught.value)
