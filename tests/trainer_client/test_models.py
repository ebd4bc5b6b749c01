import math

import pytest
from pydantic import ValidationError

from trainer_client import Outcome, Selection, Task


def test_an_answer_with_fields_of_a_newer_service_is_read():
    answer = {"selection": "s1", "run": "r", "step": 0, "tasks": ["a"], "replayed": False, "mood": "good"}
    assert Selection.model_validate(answer).tasks == ["a"]


def test_a_mistyped_field_of_a_task_is_refused():
    with pytest.raises(ValidationError, match="reference"):
        Task.model_validate({"id": "a", "reference": {"weak": 0.1}})


def test_a_selection_survives_the_way_to_another_worker():
    selection = Selection(selection="fallback-1", run="r", step=3, tasks=["a"], fallback=True)
    assert Selection.model_validate_json(selection.model_dump_json()) == selection


@pytest.mark.parametrize(
    ("successes", "trials"), [(-1, 4), (5, 4), (math.nan, 4), (math.inf, 4), (0, 0), (1, 1_000_001)]
)
def test_impossible_counts_are_refused(successes: float, trials: int):
    with pytest.raises(ValidationError):
        Outcome(task="a", successes=successes, trials=trials)


def test_rewards_become_their_sum_out_of_their_number():
    assert Outcome.from_rewards("a", [0.1] * 10) == Outcome(task="a", successes=1.0, trials=10)


@pytest.mark.parametrize("rewards", [[], [1.5], [-0.5, 1], [math.nan], [8, 16]])
def test_rewards_outside_their_range_are_refused(rewards: list[float]):
    with pytest.raises(ValueError, match=r"rewards|trials"):
        Outcome.from_rewards("a", rewards)
