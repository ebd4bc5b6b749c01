from typing import Literal

import pytest

from services.experiment.comparison import Seeds
from services.experiment.config import Question
from services.experiment.measures import Measures
from services.experiment.questions import answer
from services.trainer.records import EvaluationRecord, Records
from tests.services.experiment.records import step_record


def seeds(*late_accuracies: float) -> Seeds:
    """A training of three steps for each, evaluated before it and after each step; the last two count."""
    return {
        seed: Measures(
            Records(
                [step_record(step, [1]) for step in (1, 2, 3)],
                [
                    EvaluationRecord(step=step, accuracy=accuracy, tasks=1, samples=1)
                    for step, accuracy in enumerate((0.9, 0.9, late - 0.01, late + 0.01))
                ],
                finished=True,
            ),
            prompts=1,
            pool_size=10,
        )
        for seed, late in enumerate(late_accuracies)
    }


@pytest.mark.parametrize(
    ("relation", "own", "said"),
    [
        # With three seeds the interval is 4.303 / sqrt(3) = 2.48 sd to each side.
        ("not below", (0.300, 0.302, 0.304), "Yes: +0.0020 (-0.0030 to +0.0070)"),
        ("not below", (0.293, 0.297, 0.301), "Undecided: -0.0030 (-0.0129 to +0.0069)"),
        ("not below", (0.295, 0.296, 0.297), "No: -0.0040 (-0.0065 to -0.0015)"),
        ("clearly above", (0.303, 0.304, 0.305), "Yes: +0.0040 (+0.0015 to +0.0065)"),
        ("clearly above", (0.300, 0.302, 0.304), "No: +0.0020 (-0.0030 to +0.0070)"),
    ],
)
def test_a_question_is_answered_by_the_interval_of_the_paired_difference(
    relation: Literal["not below", "clearly above"], own: tuple[float, ...], said: str
):
    question = Question(policy="new", relation=relation, other="old", then="it is taken")
    told = answer(question, {"new": seeds(*own), "old": seeds(0.3, 0.3, 0.3, 0.9)})
    assert told == f"**Is new {relation} old?** {said}, 3 seeds. If yes: it is taken."


def test_before_there_are_two_pairs_it_is_open():
    question = Question(policy="new", relation="not below", other="old", then="it is taken")
    told = answer(question, {"new": seeds(0.3), "old": seeds(0.3, 0.3)})
    assert told == "**Is new not below old?** Not answered yet: fewer than two seeds have both."
