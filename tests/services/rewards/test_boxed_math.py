import threading

import pytest

from services.rewards import Scorer, make_scorer
from services.rewards.boxed_math import BoxedMath


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return make_scorer(BoxedMath(type="boxed-math"))


RIGHT = [
    ("12", r"So it is \boxed{12}."),
    (12, r"\boxed{12}"),
    (0.5, r"\boxed{\frac{1}{2}}"),
    (r"\frac{3}{4}", r"\boxed{0.75}"),
    ("1,000", r"\boxed{1000}"),
    (r"2\sqrt{3}", r"\boxed{\sqrt{12}}"),
    (r"x^2+2x+1", r"\boxed{(x+1)^2}"),
    (r"\text{B}", r"\boxed{B}"),
    ("(1,2)", r"\boxed{(1, 2)}"),
    (r"\{1,2\}", r"\boxed{2, 1}"),
    (r"\boxed{7}", r"\boxed{7.}"),
    ("$5$", "\\boxed{\n5\n}"),
    ("-3", r"first \boxed{3}, no: \boxed{-3}"),
    ("5", r"\boxed{\boxed{5}}"),
]
WRONG = [
    ("12", "12"),
    ("12", r"\boxed{13}"),
    ("12", r"\boxed{12, 13}"),
    ("12", r"\boxed{12} or rather \boxed{13}"),
    ("3", r"\boxed{-3}"),
    ("12", r"\boxed{}"),
    ("12", r"\boxed{twelve"),
    (r"\frac{1}{3}", r"\boxed{0.333}"),
    ("A", r"\boxed{B}"),
    ("12", r"\boxed{\frac{1}{}}"),
    ("12345678901234567890", r"\boxed{12345678901234567891}"),
    ("12", ""),
]


@pytest.mark.parametrize(("answer", "completion"), RIGHT)
def test_a_right_answer_is_worth_1(scorer, answer, completion):
    assert scorer.score(completion, answer) == 1.0


@pytest.mark.parametrize(("answer", "completion"), WRONG)
def test_a_wrong_answer_is_worth_0_and_is_no_failure(scorer, answer, completion):
    before = scorer.failures
    assert scorer.score(completion, answer) == 0.0
    assert scorer.failures == before


def test_it_works_in_another_thread(scorer):
    rewards = []
    thread = threading.Thread(target=lambda: rewards.append(scorer.score(r"\boxed{\frac{2}{4}}", "0.5")))
    thread.start()
    thread.join()
    assert rewards == [1.0]


def test_a_comparison_that_would_take_years_is_a_failure(scorer):
    before = scorer.failures
    assert scorer.score(r"\boxed{9^{9^{9^{9}}}}", "5") == 0.0
    assert scorer.failures == before + 1
    assert scorer.score(r"\boxed{5}", "5") == 1.0


def test_an_answer_that_is_no_mathematics_is_a_failure(scorer):
    before = scorer.failures
    assert scorer.score(r"\boxed{}", "") == 0.0
    assert scorer.failures == before + 1


def test_nothing_is_printed(capfd):
    assert make_scorer(BoxedMath(type="boxed-math")).score(r"\boxed{\frac{1}{2}}", "0.5") == 1.0
    assert capfd.readouterr() == ("", "")
