"""Scoring that never stops a training: a reward that fails is worth nothing, is counted and logged."""

import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, SupportsFloat

from services.rewards.child import ChildError

logger = logging.getLogger("services.rewards")

RewardFunction = Callable[[str, Any], Any]
"""Called with a completion and the task's answer; returns a number in [0, 1]."""


class NotAReward(ValueError):
    """A reward function returned something that is not a number in [0, 1]."""


class Scorer:
    """Scores completions by a reward function; may be called by several threads at once.

    `failures` counts the completions that scored 0 because the function failed: it raised, ran out of its time or
    returned something that is not a number in [0, 1]. The first failure of each kind is logged with its traceback,
    and every tenth, hundredth, … with the count. KeyboardInterrupt and SystemExit pass through.
    """

    def __init__(self, function: RewardFunction):
        self._function = function
        self._lock = Lock()
        self._kinds: set[str] = set()
        self.failures = 0

    def score(self, completion: str, answer: Any) -> float:
        """The reward of a completion, in [0, 1], for a task with this answer."""
        try:
            return _checked(self._function(completion, answer))
        except Exception as error:
            self._count(error)
            return 0.0

    def scores(self, completions: Sequence[str], answers: Sequence[Any], threads: int = 1) -> list[float]:
        """The reward of each completion for the answer of its place, by so many threads."""
        if threads == 1:
            return list(map(self.score, completions, answers))  # in this thread, if some use signals
        executor = ThreadPoolExecutor(threads)
        try:
            return list(executor.map(self.score, completions, answers))
        finally:
            executor.shutdown(cancel_futures=True)

    def _count(self, error: Exception) -> None:
        kind = error.kind if isinstance(error, ChildError) else type(error).__name__
        with self._lock:
            self.failures += 1
            failures = self.failures
            first = kind not in self._kinds
            self._kinds.add(kind)
        if first:
            logger.warning("a reward failed and counts as 0 (%d so far)", failures, exc_info=error)
        elif math.log10(failures).is_integer():
            logger.warning("rewards that failed and count as 0: %d so far, now %s: %s", failures, kind, error)


def _checked(value: Any) -> float:
    if not isinstance(value, SupportsFloat):
        raise NotAReward(f"got {value!r} of type {type(value).__name__}; return a number in [0, 1]")
    number = float(value)
    if not 0 <= number <= 1:
        raise NotAReward(f"got {number!r}; return a number in [0, 1]")
    return number
