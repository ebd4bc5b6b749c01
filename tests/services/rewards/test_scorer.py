import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from services.command_line.failures import Failure
from services.rewards.scorer import Scorer
from trainer_client import RewardScale


def scorer_of(value: Any) -> Scorer:
    return Scorer(lambda _completion, _answer: value)


def raises(error: BaseException) -> Scorer:
    def reward(_completion: str, _answer: Any) -> float:
        raise error

    return Scorer(reward)


@pytest.mark.parametrize(
    "value", [1, 1.0, True, np.float32(1), np.bool_(True), np.ones(()), torch.tensor(1.0)], ids=repr
)
def test_a_number_in_the_range_is_the_reward(value):
    scorer = scorer_of(value)
    reward = scorer.score("completion", "answer")
    assert (reward, type(reward), scorer.failures) == (1.0, float, 0)


def test_the_function_gets_completion_and_answer():
    calls = []
    scorer = Scorer(lambda completion, answer: calls.append((completion, answer)) or 0.25)
    assert scorer.score("completion", {"any": ["value"]}) == 0.25
    assert calls == [("completion", {"any": ["value"]})]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "1", "high", 1j, [1.0]], ids=repr)
def test_what_is_no_number_counts_as_0_and_as_a_failure(value, caplog):
    scorer = scorer_of(value)
    assert scorer.score("completion", "answer") == 0.0
    assert scorer.failures == 1
    assert "return a" in caplog.text
    assert "number" in caplog.text


@pytest.mark.parametrize("value", [1.1, 1.0001, -0.5, 2], ids=repr)
def test_a_number_outside_the_range_stops_at_the_first_and_is_never_another(value: float):
    scorer = scorer_of(value)
    with pytest.raises(Failure, match=rf"reward of {float(value)}, but the run's range is 0 to 1.*rewards"):
        scorer.score("completion", "answer")
    assert scorer.failures == 0


@pytest.mark.parametrize(
    "scale", [RewardScale(-1, 1.1), RewardScale(pass_at=0.5), RewardScale(0, 10)], ids=repr
)
def test_what_the_run_takes_stays_as_it_is(scale: RewardScale):
    assert Scorer(lambda _completion, _answer: 1.1, scale).score("completion", "answer") == 1.1


def test_what_float32_carries_over_a_bound_is_taken():
    assert scorer_of(1.0000001).score("completion", "answer") == 1.0000001


def test_a_failure_is_worth_nothing_whatever_the_range():
    scorer = Scorer(lambda _completion, _answer: None, RewardScale(-1, 1))
    assert scorer.score("completion", "answer") == -1
    assert scorer.failure_kinds == {"NotAReward": 1}


@pytest.mark.parametrize(
    "error", [ValueError("x"), RecursionError(), MemoryError(), AssertionError()], ids=repr
)
def test_a_function_that_raises_counts_as_0_and_as_a_failure(error):
    scorer = raises(error)
    assert [scorer.score("completion", "answer") for _ in range(3)] == [0.0] * 3
    assert scorer.failures == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_being_told_to_stop_is_no_failure(error):
    scorer = raises(error)
    with pytest.raises(type(error)):
        scorer.score("completion", "answer")
    assert scorer.failures == 0


def test_the_first_of_each_kind_is_logged_with_its_traceback(caplog):
    errors = [KeyError("a"), KeyError("b"), ValueError("c"), KeyError("d")]

    def reward(_completion: str, number: int) -> float:
        raise errors[number]

    scorer = Scorer(reward)
    for number in range(len(errors)):
        scorer.score("completion", number)
    told = [
        (record.name, record.levelno, record.exc_info and record.exc_info[1]) for record in caplog.records
    ]
    assert told == [
        ("services.rewards", logging.WARNING, errors[0]),
        ("services.rewards", logging.WARNING, errors[2]),
    ]


def test_the_count_is_logged_at_powers_of_ten(caplog):
    scorer = raises(ValueError("no"))
    for _ in range(1000):
        scorer.score("completion", "answer")
    assert [record.getMessage() for record in caplog.records] == [
        "a reward failed and counts as 0 (1 so far)",
        "rewards that failed and count as 0: 10 so far, now ValueError: no",
        "rewards that failed and count as 0: 100 so far, now ValueError: no",
        "rewards that failed and count as 0: 1000 so far, now ValueError: no",
    ]


def test_failures_of_several_threads_are_all_counted():
    scorer = raises(ValueError("no"))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: scorer.score("completion", "answer"), range(2000)))
    finally:
        sys.setswitchinterval(interval)
    assert scorer.failures == 2000
