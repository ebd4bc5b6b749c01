"""The two calls of a training step: select and report."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, model_validator

from selector_api.core.config import MAX_BATCH, MAX_LEASE_SECONDS
from selector_api.core.fields import Id, Name
from selector_api.web.schemas.common import TAKE_WHOLE, Answer, Request, Time, Whole, example

MAX_TRIALS = 1_000_000

Status = Literal["open", "committed", "released"]
Version = Annotated[int, Field(ge=0, le=2**53), TAKE_WHOLE]


# What `_one_size`, `_one_form` and `_one_kind` check, in the words of JSON Schema.
_NULL = {"type": "null"}
_SIZE_OR_INFORMATIVE: dict[str, Any] = {
    "oneOf": [
        {"required": ["batch_size"], "properties": {"batch_size": {"type": "integer"}, "informative": _NULL}},
        {"required": ["informative"], "properties": {"informative": {"type": "number"}, "batch_size": _NULL}},
    ]
}


class SelectRequest(Request):
    """POST /select."""

    model_config = example(_SIZE_OR_INFORMATIVE, run="qwen-grpo-1", batch_size=32, key="step-121")

    run: Name
    batch_size: Annotated[Whole, Field(ge=1, le=MAX_BATCH, description="How many tasks")] | None = None
    informative: Annotated[FiniteFloat, Field(gt=0.0, le=MAX_BATCH)] | None = Field(
        default=None,
        description=f"In its place: as few tasks as promise so many informative groups, at most {MAX_BATCH}",
    )
    rollouts: Annotated[Whole, Field(ge=1, le=MAX_TRIALS)] | None = Field(
        default=None,
        description="Of each group, for what is planned and foretold; absent: m, the `rollouts` of `bots`, else 16",
    )
    key: Id | None = Field(
        default=None, description="Names this selection: the same key again answers with the same tasks"
    )
    explain: bool = Field(default=False, description="Whether to tell why each task was chosen")
    policy_version: Version | None = Field(
        default=None, description="The trainer's number of the weights that will make the rollouts"
    )
    lease_seconds: Annotated[FiniteFloat, Field(gt=0.0, le=MAX_LEASE_SECONDS)] | None = Field(
        default=None, description="How long these tasks are held; absent: as the run has it"
    )

    @model_validator(mode="after")
    def _one_size(self) -> SelectRequest:
        if (self.batch_size is None) == (self.informative is None):
            raise ValueError("give either batch_size, or informative to have the batch planned")
        if self.informative is not None and self.rollouts == 1:
            raise ValueError("rollouts: a group of one is never informative; send 2 or more")
        return self


class Explanation(Answer):
    """Why a task was chosen. Further fields are the parameters of the run's kind of posterior, by name."""

    model_config = example(
        {"additionalProperties": {"type": "number"}},
        task="gsm8k/17",
        mean=0.44,
        sd=0.09,
        draw=0.49,
        informative=0.97,
        alpha=12.4,
        beta=15.8,
    )

    task: str
    mean: float | None = Field(description="Mean of its success probability then; null if selected by 0.2")
    sd: float | None = Field(description="Standard deviation likewise")
    draw: float | None = Field(
        description="The success probability that stood for it: a draw or the mean; null if chosen without"
    )
    informative: float | None = Field(description="Probability that its group is; null if selected by 0.2")


class Predicted(Answer):
    """What is expected of a batch."""

    model_config = example(mean=0.46, informative=27.4)

    mean: float = Field(description="Mean pass rate")
    informative: float = Field(
        description="How many groups are informative, at `rollouts` of the call that drew it"
    )


class SelectionView(Answer):
    """A batch of tasks, leased to the caller."""

    model_config = example(
        selection="s121-5f0c9b1e",
        run="qwen-grpo-1",
        step=120,
        tasks=["gsm8k/17", "gsm8k/4"],
        expires_at="2026-01-01T12:00:00.000Z",
        replayed=False,
        status="open",
        predicted={"mean": 0.46, "informative": 1.7},
    )

    selection: str
    run: str
    step: int = Field(description="Commits before this selection was drawn")
    tasks: list[str]
    expires_at: Time = Field(description="When the lease ends")
    replayed: bool = Field(description="Whether the selection was made by an earlier call with this key")
    status: Status = Field(
        description="open: it is leased to you; committed, released: it has ended, and others may hold its tasks"
    )
    predicted: Predicted | None = Field(description="null if selected by release 0.2")
    explain: list[Explanation] | None = None


_FORMS: tuple[dict[str, str], ...] = (
    {"successes": "number", "trials": "integer"},
    {"rewards": "array"},
    {"reward": "number"},
    {"dropped": "string"},
)
_FORM_FIELDS = tuple(name for form in _FORMS for name in form)
_GIVEN = [[name in form for name in _FORM_FIELDS] for form in _FORMS]
_ONE_FORM: dict[str, Any] = {
    "oneOf": [
        {
            "required": list(form),
            "properties": {name: {"type": form[name]} if name in form else _NULL for name in _FORM_FIELDS},
        }
        for form in _FORMS
    ]
}
_SELECTION_OR_KEY: dict[str, Any] = {
    "oneOf": [
        {
            "required": ["selection"],
            "properties": {"selection": {"type": "string"}, "key": _NULL, "evaluation": {"const": False}},
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
                "outcomes": {"minItems": 1, "items": {"properties": {"dropped": _NULL}}},
            },
        },
    ]
}


class OutcomeItem(Request):
    """What a trainer saw of one task; rows of one task in a body are one outcome."""

    model_config = example(_ONE_FORM, task="gsm8k/17", successes=3, trials=16)

    task: Id
    successes: Annotated[FiniteFloat, Field(ge=0.0, le=MAX_TRIALS)] | None = None
    trials: Annotated[int, Field(ge=1, le=MAX_TRIALS), TAKE_WHOLE] | None = None
    rewards: (
        Annotated[list[FiniteFloat], Field(min_length=1, max_length=MAX_TRIALS, fail_fast=True)] | None
    ) = Field(default=None, description="The rewards of its rollouts, counted as the run's `rewards` say")
    reward: FiniteFloat | None = Field(default=None, description="The reward of one rollout")
    dropped: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        default=None, description="Why it could not be scored: no evidence, and it rests for a while"
    )

    @model_validator(mode="after")
    def _one_form(self) -> OutcomeItem:
        values = (self.successes, self.trials, self.rewards, self.reward, self.dropped)  # as in _FORM_FIELDS
        if [value is not None for value in values] not in _GIVEN:
            raise ValueError("give either successes and trials, or rewards, or reward, or dropped")
        if self.successes is not None and self.trials is not None and self.successes > self.trials:
            raise ValueError("successes must not exceed trials")
        return self


class ReportRequest(Request):
    """POST /report: outcomes of a selection's tasks, all at once or in parts."""

    model_config = example(
        _SELECTION_OR_KEY,
        run="qwen-grpo-1",
        selection="s121-5f0c9b1e",
        outcomes=[
            {"task": "gsm8k/17", "successes": 3, "trials": 16},
            {"task": "gsm8k/4", "rewards": [1.0, 0.0, 1.0, 0.5]},
            {"task": "gsm8k/9", "dropped": "timeout"},
        ],
    )

    run: Name
    selection: Id | None = Field(
        default=None,
        description="The selection; null for tasks that no selection handed out (then `key` is due)",
    )
    outcomes: Annotated[list[OutcomeItem], Field(max_length=MAX_BATCH, fail_fast=True)]
    final: bool = Field(default=False, description="Close the selection even if tasks are missing")
    key: Id | None = Field(
        default=None, description="Only without a selection: each task counts once under a key"
    )
    evaluation: bool = Field(
        default=False,
        description="Only without a selection: it informs the posteriors, is no step, and has keys of its own",
    )
    policy_version: Version | None = Field(
        default=None, description="The trainer's number of the weights that made the rollouts"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> ReportRequest:
        if (self.selection is None) == (self.key is None):
            raise ValueError("give either selection, or key where no selection handed the tasks out")
        if self.selection is None and self.final:
            raise ValueError("final goes with a selection")
        if self.selection is not None and self.evaluation:
            raise ValueError("evaluation goes without a selection: send selection null and a key")
        if self.selection is None and any(item.dropped is not None for item in self.outcomes):
            raise ValueError("dropped goes with a selection: nobody waits for these tasks")
        if not self.outcomes and not self.final:
            raise ValueError("outcomes may be empty only with final")
        return self


class RenewRequest(Request):
    """POST /runs/{run}/selections/{id}/renew."""

    model_config = example(seconds=7200)

    seconds: Annotated[FiniteFloat, Field(gt=0.0, le=MAX_LEASE_SECONDS)] = Field(
        description="How long from now the tasks are held"
    )


class ReleaseRequest(Request):
    """POST /runs/{run}/selections/{id}/release: nothing to say, so the body may be absent."""

    model_config = example()


class LeaseView(Answer):
    """Where a selection stands."""

    model_config = example(
        run="qwen-grpo-1", selection="s121-5f0c9b1e", status="open", expires_at="2026-01-01T12:00:00.000Z"
    )

    run: str
    selection: str
    status: Status
    expires_at: Time | None = Field(description="When the lease ends; null if it has ended")
