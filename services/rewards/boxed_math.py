r"""Mathematical answers in \boxed{…}, compared by math-verify."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

from services.command_line.configuration import Section
from services.rewards.child import Child
from services.rewards.extraction import last_boxed

SECONDS = 5.0
"""What a comparison may take; nearly all take milliseconds."""


class BoxedMath(Section):
    r"""1 if what stands in the completion's last \boxed{…} equals the answer by math-verify's rules, else 0.

    The answer is LaTeX or a plain number. A comparison that takes longer than five seconds is a failure.
    """

    type: Literal["boxed-math"]

    def make(self) -> Callable[[str, Any], float]:
        """The function that scores. Raises `Failure` if math-verify is missing."""
        return Child("services.rewards.boxed_math:comparison", SECONDS)


def comparison() -> Callable[[str, Any], float]:
    """The function that compares a completion with an answer, for the process of a `Child`.

    It raises ValueError if the answer cannot be read as mathematics.
    """
    from math_verify import parse, verify

    # Without math-verify's own time limits: they work in a main thread only and cannot end long arithmetic.
    unlimited: Any = None

    @lru_cache(maxsize=1024)
    def parsed(latex: str) -> list[Any]:
        # In dollars, since only what is marked as mathematics is read, and in one line, since dollars are inline.
        return parse(f"${' '.join(latex.split())}$", parsing_timeout=unlimited)

    def score(completion: str, answer: Any) -> float:
        gold = parsed(str(answer))
        if not gold:
            raise ValueError(f"answer: got {answer!r}; give LaTeX or a number")
        boxed = last_boxed(completion)
        return float(boxed is not None and verify(gold, parsed(boxed), timeout_seconds=unlimited))

    return score
