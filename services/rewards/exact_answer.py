"""Answers that are right when they are the same, such as a word, a list or a grid."""

import ast
import json
import warnings
from collections.abc import Callable
from typing import Any, Literal

from services.command_line.configuration import Section
from services.rewards.extraction import last_boxed, last_tagged

NOTHING = object()


class ExactAnswer(Section):
    r"""1 if what stands in the completion's last <answer>…</answer> (or else \boxed{…}) is the answer, else 0.

    They are compared as JSON or Python literals where both are some (1 equals 1.0, a tuple equals a list), and as
    text otherwise. Surrounding space, kinds of space and upper or lower case do not matter, inside of literals
    neither.
    """

    type: Literal["exact-answer"]

    def make(self) -> Callable[[str, Any], float]:
        """The function that scores."""
        return score


def score(completion: str, answer: Any) -> float:
    """1 if the completion's answer is `answer`, else 0."""
    given = last_tagged(completion)
    if given is None:
        given = last_boxed(completion)
    if given is None:
        return 0.0
    if isinstance(answer, str):
        if _plain(given) == _plain(answer):
            return 1.0
        answer = _literal(answer)
    read = _literal(given)
    return float(NOTHING not in (read, answer) and _plain(read) == _plain(answer))


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The parser's opinion of what a model wrote.
            return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return NOTHING


def _plain(value: Any) -> Any:
    """The value in the form in which it is compared."""
    if isinstance(value, str):
        return " ".join(value.split()).casefold()
    if isinstance(value, dict):
        return {_plain(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_plain(member) for member in value)
    return str(value).casefold() if isinstance(value, bool) else value
