"""The questions that an experiment was made to answer, and the rule by which it answers them."""

from collections.abc import Mapping

from services.experiment.comparison import Seeds, late_difference
from services.experiment.config import Question

MARGIN = 0.01

RULE = f"""\
Judged is late accuracy: the mean held-out accuracy of the evaluations in the last third of training. Its difference
between two policies is taken seed by seed, with Student's 95 % interval of the mean.

* **Not below**: yes if the interval reaches 0 or above, and its lower end is at least −{MARGIN}; no if all of it is
  below 0; else undecided, and more seeds are needed.
* **Clearly above**: yes if all of the interval is above 0; else no.

Where there are experiments on several pools, "not below" needs a yes on each; "clearly above" needs a yes on one,
and on no other an interval that is all below 0."""


def answer(question: Question, policies: Mapping[str, Seeds]) -> str:
    """The question with its answer, on a line of Markdown."""
    own, other = question.policy, question.other
    words = f"**Is {own} {question.relation} {other}?**"
    difference = late_difference(policies[own], policies[other])
    if difference is None or difference.low is None or difference.high is None:
        return f"{words} Not answered yet: fewer than two seeds have both."
    low, high = difference.low, difference.high
    if question.relation == "clearly above":
        said = "Yes" if low > 0 else "No"
    elif high < 0:
        said = "No"
    else:
        said = "Yes" if low >= -MARGIN else "Undecided"
    return (
        f"{words} {said}: {difference.mean:+.4f} ({low:+.4f} to {high:+.4f}), {difference.n} seeds. "
        f"If yes: {question.then}."
    )
