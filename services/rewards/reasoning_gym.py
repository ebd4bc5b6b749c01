"""Tasks of reasoning-gym, scored by the scorer of the data set that made them."""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field

from services.command_line.configuration import Section
from services.rewards.child import Child
from services.rewards.extraction import last_tagged

SECONDS = 20.0
"""What scoring may take; the first time for a data set also makes its scorer."""


class ReasoningGym(Section):
    """1 if reasoning-gym's scorer gives the completion's answer exactly 1, else 0.

    The task's answer is the entry that reasoning-gym made, as a mapping or as the text of one in JSON: `question`,
    `answer` and `metadata` with `source_dataset`. The completion's answer is what stands in its last
    <answer>…</answer>, or else the whole of it.

    Only 1 is a pass, since many scorers give 0.01 to 0.1 for an answer that is plainly wrong, and some more than 1.
    The data sets `arc_agi` and `rearc` never reach 1 from a file: their scorers want tuples, which no file has.
    """

    type: Literal["reasoning-gym"]
    partial: bool = Field(
        default=False, description="whether a score between 0 and 1 is the reward as it stands, instead of 0"
    )

    def make(self) -> Callable[[str, Any], float]:
        """The function that scores. Raises `Failure` if reasoning-gym is missing."""
        child = Child("services.rewards.reasoning_gym:scoring", SECONDS)

        def reward(completion: str, answer: Any) -> float:
            value = child(completion, answer)
            return value if value == 1 or (self.partial and 0 <= value < 1) else 0.0

        return reward


def scoring() -> Callable[[str, Any], float]:
    """The function that gives what the data set's scorer gives, as it stands, for the process of a `Child`.

    It raises ValueError if the answer is not an entry of reasoning-gym, and whatever the scorer raises.
    """
    from reasoning_gym import get_score_answer_fn

    scorer_of: Any = lru_cache(get_score_answer_fn)

    def score(completion: str, answer: Any) -> float:
        entry = json.loads(answer) if isinstance(answer, str) else answer
        try:
            source = entry["metadata"]["source_dataset"]
        except (TypeError, KeyError) as error:
            raise ValueError("answer: give reasoning-gym's entry, with metadata.source_dataset") from error
        given = last_tagged(completion)
        return scorer_of(source)(completion.strip() if given is None else given, entry)

    return score
