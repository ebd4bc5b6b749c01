import sys

import pytest

from services.command_line.failures import Failure
from services.rewards import make_scorer
from services.rewards.function import FunctionReward

MODULE = """
class Length:
    @staticmethod
    def share(completion, answer):
        return len(completion) / answer

def same(completion, answer):
    return completion == answer

CONSTANT = 5
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "my_rewards.py").write_text(MODULE)
    (tmp_path / "my_package" / "broken.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)


def scorer(function: str):
    return make_scorer(FunctionReward(type="function", function=function))


def test_a_users_function_scores():
    same = scorer("my_package.my_rewards:same")
    assert [same.score("a", "a"), same.score("a", "b")] == [1.0, 0.0]
    assert scorer("my_package.my_rewards:Length.share").score("a", 4) == 0.25


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("my_package.none:same", "No module named 'my_package.none'"),
        ("my_package.my_rewards:other", "has no attribute 'other'"),
        ("my_package.my_rewards:CONSTANT", "a int. Name a function"),
        ("my_package.broken:same", "ZeroDivisionError"),
    ],
)
def test_a_function_that_cannot_be_had_is_a_failure(function, told):
    with pytest.raises(Failure) as failure:
        scorer(function)
    assert f"reward.function: got {function!r}" in str(failure.value)
    assert told in str(failure.value)


def test_a_function_in_the_current_directory_is_found_after_what_is_installed(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    (here / "rewards_of_mine.py").write_text("from math import floor as score")
    (here / "reasoning_gym.py").write_text("score = None")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.chdir(here)
    assert scorer("rewards_of_mine:score")
    with pytest.raises(Failure, match=r"has no attribute 'score'"):
        scorer("reasoning_gym:score")
