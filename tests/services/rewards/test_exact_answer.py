import json

import pytest

from services.rewards import make_scorer
from services.rewards.exact_answer import ExactAnswer

GRID = {"header": ["Position", "Job"], "rows": [["1", "plumber"], ["2", "carpenter"]]}


@pytest.mark.parametrize(
    ("answer", "completion"),
    [
        ("fdebme", "<answer> fdebme </answer>"),
        ("fdebme", r"\boxed{fdebme}"),
        ("Two  words", "<answer>two\nwords</answer>"),
        ("5", "<answer>4</answer> <answer>5.0</answer>"),
        (5, "<answer>5</answer>"),
        (["pigeon", "quail"], "<answer> ['pigeon', 'quail'] </answer>"),
        (["pigeon", "quail"], '<answer>["Pigeon", "quail "]</answer>'),
        (json.dumps(["pigeon", "quail"]), "<answer>['pigeon', 'quail']</answer>"),
        ([[0, 1], [2, 3]], "<answer>[[0, 1],\n [2, 3]]</answer>"),
        (GRID, f"<answer>{json.dumps(GRID)}</answer>"),
        (json.dumps(GRID), f"<answer>{GRID}</answer>"),
        ("(1, 2)", "<answer>[1, 2]</answer>"),
        ("true", "<answer>True</answer>"),
        ("nan", "<answer>NaN</answer>"),
        ("it's", "<answer>it's</answer>"),
    ],
)
def test_the_same_answer_is_worth_1(answer, completion):
    scorer = make_scorer(ExactAnswer(type="exact-answer"))
    assert (scorer.score(completion, answer), scorer.failures) == (1.0, 0)


@pytest.mark.parametrize(
    ("answer", "completion"),
    [
        ("fdebme", "fdebme"),
        ("fdebme", "<answer>fdebm</answer>"),
        ("fdebme", r"<answer>x</answer> \boxed{fdebme}"),
        ("5", "<answer>5</answer> <answer>4</answer>"),
        ("1", "<answer>true</answer>"),
        (["pigeon", "quail"], "<answer>['quail', 'pigeon']</answer>"),
        (["pigeon", "quail"], "<answer>[pigeon, quail]</answer>"),
        ([[0, 1]], "<answer>The grid is [[0, 1]]</answer>"),
        (GRID, '<answer>{"header": ["Position", "Job"], "rows": []}</answer>'),
        (["a"], "<answer>" + "[" * 20_000 + "</answer>"),
        (["a"], "<answer>{[1]: 2}</answer>"),
        (["a"], "<answer>'\\d'</answer>"),
        ("5", ""),
    ],
)
def test_any_other_answer_is_worth_0(answer, completion):
    scorer = make_scorer(ExactAnswer(type="exact-answer"))
    assert (scorer.score(completion, answer), scorer.failures) == (0.0, 0)
