import pytest
from pydantic import TypeAdapter, ValidationError

from services.rewards import Reward

REWARDS = TypeAdapter(Reward)


@pytest.mark.parametrize(
    "section",
    [
        {"type": "boxed-math"},
        {"type": "exact-answer"},
        {"type": "function", "function": "package.module:name"},
        {"type": "python-tests", "seconds": 5.0, "memory_mib": 512},
        {"type": "reasoning-gym", "partial": True},
    ],
)
def test_a_reward_is_named_by_its_type(section):
    assert REWARDS.validate_python(section).model_dump() == section


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"type": "boxed"},
        {"type": "boxed-math", "partial": True},
        {"type": "function"},
        {"type": "function", "function": "package.module"},
        {"type": "python-tests", "seconds": 0},
    ],
)
def test_anything_else_is_refused(section):
    with pytest.raises(ValidationError):
        REWARDS.validate_python(section)
