"""What a run has seen: its selections, its course and its posteriors."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from selector_api.web.schemas.common import Answer, Time, example


class SelectionItemView(Answer):
    """A selection in a list."""

    model_config = example(
        selection="s121-5f0c9b1e",
        status="open",
        key="step-120",
        step=120,
        tasks=["gsm8k/17"],
        reported=0,
        expires_at="2026-01-01T12:00:00.000Z",
    )

    selection: str
    status: Literal["open", "committed", "released"]
    key: str | None
    step: int = Field(description="Commits before it was drawn")
    tasks: list[str]
    reported: int = Field(description="Tasks of which an outcome is known")
    expires_at: Time = Field(description="When its lease ends, or would have ended")


class SelectionsView(Answer):
    """A page of a run's selections, in the order in which they were made."""

    model_config = example(selections=[], next="200")

    selections: list[SelectionItemView]
    next: str | None = Field(description="`cursor` of the next page, null at the end")


POINT_EXAMPLE: dict[str, Any] = {
    "step": 300,
    "commits": 3,
    "groups": 96,
    "etr": 0.77,
    "predicted": 0.5,
    "seen": 0.47,
    "never_selected": 50112,
    "capability": {"math": 0.31},
    "share": {"math": 0.6, "code": 0.4},
}


class PointView(Answer):
    """Some commits in a row."""

    model_config = example(**POINT_EXAMPLE)

    step: int = Field(description="The last of them")
    commits: int = Field(description="How many they are")
    groups: int = Field(description="Outcomes in them")
    etr: float | None = Field(description="Share of these that were informative")
    predicted: float | None = Field(
        description="Mean success probability expected when the tasks were selected"
    )
    seen: float | None = Field(description="Mean pass rate")
    never_selected: int = Field(description="Tasks that were never selected until then")
    capability: dict[str, float] = Field(description="Where the model stood then, by domain")
    share: dict[str, float] = Field(description="Share of the outcomes, by domain")


class DifficultyView(Answer):
    """How difficult the run's tasks were at a step."""

    model_config = example(step=288, tasks=[1200, 800, 640, 500, 420, 380, 400, 520, 900, 2100])

    step: int
    tasks: list[int] = Field(description="How many have a mean success probability in each tenth of [0, 1]")


class HistoryView(Answer):
    """The course of a run. What it is made from is bounded, so of a long run it tells less of each commit."""

    model_config = example(run="qwen-grpo-1", step=300, points=[], difficulty=[])

    run: str
    step: int = Field(description="Commits so far")
    points: list[PointView] = Field(description="From the first commit to the last")
    difficulty: list[DifficultyView] = Field(description="At most 64 in the past, and as it is now")


POSTERIOR_EXAMPLE: dict[str, Any] = {
    "task": "gsm8k/17",
    "mean": 0.44,
    "sd": 0.09,
    "alpha": 12.4,
    "beta": 15.8,
    "domain": "math",
    "selected": 3,
    "last_step": 118,
    "successes": 21.0,
    "trials": 48,
    "dropped": 0,
    "excluded": False,
    "references": {"qwen-7b": 0.25, "qwen-30b": 0.875},
    "streak": 0,
}
"""A row of posteriors."""


class PosteriorItemView(Answer):
    """What is known of one task. Further fields are the parameters of the run's kind of posterior, by name."""

    model_config = example({"additionalProperties": {"type": "number"}}, **POSTERIOR_EXAMPLE)

    task: str
    mean: float = Field(description="Mean of its success probability")
    sd: float = Field(description="Standard deviation")
    selected: int = Field(description="How often it was selected")
    last_step: int | None = Field(description="Step of its last commit")
    domain: str
    successes: float = Field(description="All that were ever counted of it, evaluations included")
    trials: int = Field(description="Likewise")
    dropped: int = Field(description="How often it was dropped")
    excluded: bool = Field(description="Whether the run draws it no more, because it or its pool was told so")
    references: dict[str, float] = Field(description="Measured pass rates by the reference model's name")
    streak: int = Field(
        description="How many of its last groups passed in every rollout; with a minus, how many failed so"
    )


class PosteriorsView(Answer):
    """A page of posteriors."""

    model_config = example(
        step=120,
        total=54400,
        posteriors=[POSTERIOR_EXAMPLE],
        next="10000",
    )

    step: int = Field(description="Commits so far")
    total: int = Field(description="Tasks on all pages together")
    posteriors: list[PosteriorItemView]
    next: str | None = Field(description="`cursor` of the next page, null at the end")
