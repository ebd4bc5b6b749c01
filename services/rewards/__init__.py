"""Rewards: what a completion is worth to the run. Each kind is a `type` in a configuration and a file here."""

from typing import Annotated

from pydantic import Field, PositiveInt

from services.rewards.boxed_math import BoxedMath
from services.rewards.exact_answer import ExactAnswer
from services.rewards.function import FunctionReward
from services.rewards.python_tests import PythonTests
from services.rewards.reasoning_gym import ReasoningGym
from services.rewards.scorer import Scorer
from trainer_client import RewardScale

__all__ = ["Reward", "RewardThreads", "Scorer", "make_scorer"]

Reward = Annotated[
    BoxedMath | ExactAnswer | FunctionReward | PythonTests | ReasoningGym, Field(discriminator="type")
]
"""The section of a configuration that says how completions are scored."""

RewardThreads = Annotated[
    PositiveInt,
    Field(
        description="Completions scored at once by a process. More are faster where scoring starts programs "
        "(python-tests); a function of your own must then be safe to call from several threads."
    ),
]


def make_scorer(reward: Reward, scale: RewardScale | None = None) -> Scorer:
    """What scores completions by this reward, for a run that takes these; without one for rewards in [0, 1].

    Raises `Failure` if a library or the user's function is missing.
    """
    return Scorer(reward.make(), scale or RewardScale())
