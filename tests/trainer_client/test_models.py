import math
from uuid import UUID

import numpy as np
import pytest
from pydantic import ValidationError

from trainer_client import Explanation, Outcome, PosteriorRow, Selection, SelectionCounts, Task
from trainer_client.outcomes import outcome_list


def test_an_answer_with_fields_of_a_newer_service_is_read():
    answer = {"selection": "s1", "run": "r", "step": 0, "tasks": ["a"], "replayed": False, "mood": "good"}
    assert Selection.model_validate(answer).tasks == ["a"]


def test_a_mistyped_field_of_a_task_is_refused():
    with pytest.raises(ValidationError, match="reference"):
        Task.model_validate({"id": "a", "reference": {"weak": 0.1}})


def test_a_selection_survives_the_way_to_another_worker():
    selection = Selection(selection="fallback-1", run="r", step=3, tasks=["a"], fallback=True)
    assert Selection.model_validate_json(selection.model_dump_json()) == selection


@pytest.mark.parametrize("number", [17, np.int64(17), np.uint8(17)])
def test_an_id_may_be_a_number(number: object):
    assert Task.model_validate({"id": number, "domain": number}) == Task(id="17", domain="17")
    assert Outcome.model_validate({"task": number, "successes": 1, "trials": 2}).task == "17"
    (outcome,) = outcome_list({number: [1.0, 0.0]})  # pyright: ignore[reportArgumentType]
    assert outcome.task == "17"


def test_an_id_may_be_a_uuid():
    assert Task.model_validate({"id": UUID(int=1)}).id == "00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize("value", [1.5, 1.0, True, np.bool_(True), None])
def test_nothing_else_is_an_id(value: object):
    with pytest.raises(ValidationError):
        Task.model_validate({"id": value})


@pytest.mark.parametrize(
    ("successes", "trials"), [(-1, 4), (5, 4), (math.nan, 4), (math.inf, 4), (0, 0), (1, 1_000_001)]
)
def test_impossible_counts_are_refused(successes: float, trials: int):
    with pytest.raises(ValidationError):
        Outcome(task="a", successes=successes, trials=trials)


def test_rewards_are_sent_as_they_are_for_the_run_says_what_they_are_worth():
    assert Outcome.from_rewards("a", [-1, 1.5]).row() == {"task": "a", "rewards": (-1, 1.5)}
    assert Outcome(task="a", successes=1, trials=2).row() == {"task": "a", "successes": 1, "trials": 2}


@pytest.mark.parametrize("rewards", [[], [math.nan], [math.inf]])
def test_what_is_no_reward_is_refused(rewards: list[float]):
    with pytest.raises(ValueError, match="rewards of task 'a'"):
        Outcome.from_rewards("a", rewards)


def test_several_outcomes_of_one_task_are_summed():
    rows = [Outcome(task="a", successes=value, trials=1) for value in (1, 0, 0, 1)]
    assert outcome_list(rows) == [Outcome(task="a", successes=2, trials=4)]
    rows = [
        Outcome.from_rewards("a", [0.5]),
        Outcome.from_rewards("b", [1]),
        Outcome.from_rewards("a", [0.25]),
    ]
    assert outcome_list(rows) == [Outcome.from_rewards("a", [0.5, 0.25]), Outcome.from_rewards("b", [1])]


def test_rows_of_one_rollout_are_one_outcome():
    rows = [Outcome(task="a", reward=value) for value in (1, 0, 0.5)]
    assert outcome_list([*rows, Outcome.from_rewards("a", [1])]) == [
        Outcome.from_rewards("a", [1, 0, 0.5, 1])
    ]
    assert rows[0].row() == {"task": "a", "reward": 1}
    assert not rows[0].informative
    with pytest.raises(ValueError, match="either successes and trials, or rewards, or reward"):
        Outcome(task="a", reward=1, rewards=(1, 0))


def test_a_group_is_informative_if_its_rewards_are_not_all_equal():
    assert not Outcome.from_rewards("a", [0.5] * 4).informative
    assert Outcome.from_rewards("a", [0.4, 0.6]).informative
    assert not Outcome(task="a", successes=4, trials=4).informative
    assert Outcome(task="a", successes=3, trials=4).informative


def test_an_integer_is_an_id_by_its_decimal_text():
    assert (Outcome.from_rewards(17, [1]).task, Task(id=17).id) == ("17", "17")  # pyright: ignore[reportArgumentType]


def test_a_posteriors_parameters_are_read_by_name_whatever_its_kind():
    beta = PosteriorRow.model_validate(
        {"task": "a", "mean": 0.4, "sd": 0.2, "alpha": 2, "beta": 3, "selected": 1, "last_step": None}
    )
    assert (beta.alpha, beta.beta, beta.parameters) == (2, 3, {"alpha": 2, "beta": 3})
    other = PosteriorRow.model_validate(
        {"task": "a", "mean": 0.4, "sd": 0.2, "level": -0.4, "selected": 0, "last_step": 7}
    )
    assert (other.alpha, other.beta, other.parameters) == (None, None, {"level": -0.4})


def test_an_explanation_of_release_0_2_has_its_parameters_but_no_moments():
    explanation = Explanation.model_validate({"task": "a", "alpha": 2.0, "beta": 3.0, "draw": 0.5})
    assert (explanation.alpha, explanation.beta, explanation.draw) == (2, 3, 0.5)
    assert (explanation.mean, explanation.sd) == (None, None)
    told = Explanation.model_validate(
        {"task": "a", "mean": 0.4, "sd": 0.2, "draw": None, "alpha": 2, "beta": 3}
    )
    assert (told.mean, told.sd, told.draw, told.parameters) == (0.4, 0.2, None, {"alpha": 2, "beta": 3})


@pytest.mark.parametrize("names", [["expired"], ["released"], ["released", "expired"]])
def test_released_selections_are_read_from_services_of_this_release_and_of_0_2(names: list[str]):
    counts = SelectionCounts.model_validate({"open": 1, "committed": 2} | dict.fromkeys(names, 3))
    assert counts.released == 3
    with pytest.warns(DeprecationWarning, match="released"):
        assert counts.expired == 3
