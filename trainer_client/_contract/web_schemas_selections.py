"""Taken over from selector_api/web/schemas/selections.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, FiniteFloat, model_validator

from trainer_client._contract.store_codec import Outcome
from trainer_client._contract.web_schemas_common import TAKE_WHOLE, Id, Name, Request, Share, Whole, example

MAX_BATCH = 10_000
MAX_TRIALS = 1_000_000


class SelectRequest(Request):
    """POST /select."""

    model_config = example(run="qwen-grpo-1", batch_size=32, key="step-121")

    run: Name
    batch_size: Whole = Field(ge=1, le=MAX_BATCH, description="How many tasks")
    key: Id | None = Field(
        default=None, description="Names this selection: the same key again answers with the same tasks"
    )
    explain: bool = Field(default=False, description="Whether to tell why each task was chosen")


_NULL = {"type": "null"}
_COUNTS_OR_REWARDS: dict[str, Any] = {
    "oneOf": [
        {
            "required": ["successes", "trials"],
            "properties": {"successes": {"type": "number"}, "trials": {"type": "integer"}, "rewards": _NULL},
        },
        {
            "required": ["rewards"],
            "properties": {"successes": _NULL, "trials": _NULL, "rewards": {"type": "array"}},
        },
    ]
}
_SELECTION_OR_KEY: dict[str, Any] = {
    "oneOf": [
        {
            "required": ["selection"],
            "properties": {"selection": {"type": "string"}, "key": _NULL},
            "anyOf": [
                {"properties": {"outcomes": {"minItems": 1}}},
                {"required": ["final"], "properties": {"final": {"const": True}}},
            ],
        },
        {
            "required": ["key"],
            "properties": {
                "selection": _NULL,
                "key": {"type": "string"},
                "final": {"const": False},
                "outcomes": {"minItems": 1},
            },
        },
    ]
}


class OutcomeItem(Request):
    """What a trainer saw of one task: successes out of trials, or the rewards themselves."""

    model_config = example(_COUNTS_OR_REWARDS, task="gsm8k/17", successes=3, trials=16)

    task: Id
    successes: Annotated[FiniteFloat, Field(ge=0.0, le=MAX_TRIALS)] | None = None
    trials: Annotated[int, Field(ge=1, le=MAX_TRIALS), TAKE_WHOLE] | None = None
    rewards: Annotated[list[Share], Field(min_length=1, max_length=MAX_TRIALS, fail_fast=True)] | None = (
        Field(default=None, description="Rewards in [0, 1]; stands for their sum out of their number")
    )

    @model_validator(mode="after")
    def _one_form(self) -> OutcomeItem:
        counts = (self.successes is not None) + (self.trials is not None)
        if (self.rewards is None) == (counts == 0) or counts == 1:
            raise ValueError("give either successes and trials, or rewards")
        if self.successes is not None and self.trials is not None and self.successes > self.trials:
            raise ValueError("successes must not exceed trials")
        return self

    def outcome(self) -> Outcome:
        """The outcome as the store takes it."""
        if self.rewards is not None:
            return Outcome(self.task, math.fsum(self.rewards), len(self.rewards))
        assert self.successes is not None
        assert self.trials is not None
        return Outcome(self.task, self.successes, self.trials)


if TYPE_CHECKING:
    OutcomeRow = Outcome
else:
    OutcomeRow = Annotated[OutcomeItem, AfterValidator(OutcomeItem.outcome)]
"""An outcome, which is an `OutcomeItem` on the wire."""


class ReportRequest(Request):
    """POST /report: outcomes of a selection's tasks, all at once or in parts."""

    model_config = example(
        _SELECTION_OR_KEY,
        run="qwen-grpo-1",
        selection="s121-5f0c9b1e",
        outcomes=[
            {"task": "gsm8k/17", "successes": 3, "trials": 16},
            {"task": "gsm8k/4", "rewards": [1.0, 0.0, 1.0, 0.5]},
        ],
    )

    run: Name
    selection: Id | None = Field(
        default=None,
        description="The selection; null for tasks that no selection handed out (then `key` is due)",
    )
    outcomes: Annotated[list[OutcomeRow], Field(max_length=MAX_BATCH, fail_fast=True)]
    final: bool = Field(default=False, description="Close the selection even if tasks are missing")
    key: Id | None = Field(
        default=None, description="Only without a selection: each task counts once under a key"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> ReportRequest:
        if (self.selection is None) == (self.key is None):
            raise ValueError("give either selection, or key where no selection handed the tasks out")
        if self.selection is None and self.final:
            raise ValueError("final goes with a selection")
        if not self.outcomes and not self.final:
            raise ValueError("outcomes may be empty only with final")
        return self
