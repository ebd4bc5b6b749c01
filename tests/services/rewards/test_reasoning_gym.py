import json

import pytest
import reasoning_gym

from services.rewards import Scorer, make_scorer
from services.rewards.reasoning_gym import ReasoningGym, scoring

LETTERS = 9  # Of which each is worth 1/9, and all together, in floating point, a little more than 1.


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return make_scorer(ReasoningGym(type="reasoning-gym"))


@pytest.fixture(scope="module")
def partial() -> Scorer:
    return make_scorer(ReasoningGym(type="reasoning-gym", partial=True))


@pytest.mark.parametrize(
    "dataset", ["basic_arithmetic", "countdown", "leg_counting", "number_sorting", "maze"]
)
def test_the_entry_itself_says_what_is_right(scorer, dataset):
    for entry in reasoning_gym.create_dataset(dataset, size=3, seed=1):
        right = f"Let me see. <answer>1</answer> No: <answer>\n{entry['answer']} </answer>"
        for answer in (entry, json.dumps(entry)):
            assert scorer.score(right, answer) == 1.0
            assert scorer.score(str(entry["answer"]) + "\n", answer) == 1.0
            assert scorer.score("<answer>no idea</answer>", answer) == 0.0


def test_nearly_is_not_right_unless_parts_count(scorer, partial):
    (entry,) = reasoning_gym.create_dataset("countdown", size=1, seed=1)
    assert scorer.score("<answer>1 + 1</answer>", entry) == 0.0
    assert 0 < partial.score("<answer>1 + 1</answer>", entry) < 1
    assert partial.score(f"<answer>{entry['answer']}</answer>", entry) == 1.0


def test_a_score_above_1_is_worth_nothing(scorer, partial):
    """The scorer of spell_backward adds a part for each right letter, and does not mind letters that follow."""
    entry = {"question": "", "answer": "a" * LETTERS, "metadata": {"source_dataset": "spell_backward"}}
    wrong = "a" * LETTERS + "x"
    assert scoring()(wrong, entry) > 1
    assert (scorer.score(wrong, entry), partial.score(wrong, entry)) == (0.0, 0.0)


@pytest.mark.parametrize(
    "answer", ["5", 5, "no JSON", {"answer": "5"}, {"metadata": {"source_dataset": "none"}}]
)
def test_an_answer_that_is_no_entry_is_a_failure(scorer, answer):
    before = scorer.failures
    assert scorer.score("<answer>5</answer>", answer) == 0.0
    assert scorer.failures == before + 1
