"""Scoring: a reward that fails is worth nothing, is counted and logged; one that the run does not take stops."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, SupportsFloat

from services.command_line.failures import Failure
from services.rewards.child import ChildError
from trainer_client import RewardOutOfRange, RewardScale

logger = logging.getLogger("services.rewards")

RewardFunction = Callable[[str, Any], Any]
"""Called with a completion and the task's answer; returns a number that the run takes."""


UP_TO_ONE = RewardScale()


class NotAReward(ValueError):
    """A reward function returned something that is not a finite number."""


class Scorer:
    """Scores completions by a reward function; may be called by several threads at once.

    `failures` counts, by kind, the completions that are worth nothing because the function failed: it raised, ran
    out of its time or returned something that is not a finite number. The first failure of each kind is logged with
    its traceback, and every tenth, hundredth, … with the count. KeyboardInterrupt and SystemExit pass through. A
    number that the run does not take is never turned into another one: it is a `Failure`, at the first.

    Args:
        function: scores a completion.
        scale: which rewards the run takes.
    """

    def __init__(self, function: RewardFunction, scale: RewardScale = UP_TO_ONE):
        self._function = function
        self._lock = Lock()
        self.scale = scale
        self.failure_kinds: Counter[str] = Counter()

    @property
    def failures(self) -> int:
        """How many completions are worth nothing because the function failed."""
        return self.failure_kinds.total()

    def score(self, completion: str, answer: Any) -> float:
        """The reward of a completion for a task with this answer."""
        try:
            reward = _number(self._function(completion, answer))
        except Exception as error:
            self._count(error)
            return self.scale.failure
        try:
            return self.scale.checked(reward)
        except RewardOutOfRange as error:
            raise Failure(
                f"reward: {error}. In the YAML of a training it is selector.create.rewards, in that of a "
                "measurement rewards"
            ) from error

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
            self.failure_kinds[kind] += 1
            failures = self.failures
            first = self.failure_kinds[kind] == 1
        if first:
            logger.warning("a reward failed and counts as 0 (%d so far)", failures, exc_info=error)
        elif math.log10(failures).is_integer():
            logger.warning("rewards that failed and count as 0: %d so far, now %s: %s", failures, kind, error)


def _number(value: Any) -> float:
    if not isinstance(value, SupportsFloat):
        raise NotAReward(f"got {value!r} of type {type(value).__name__}; return a number")
    number = float(value)
    if not math.isfinite(number):
        raise NotAReward(f"got {number!r}; return a finite number")
    return number
