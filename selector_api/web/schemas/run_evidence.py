"""What a run has seen: its selections, its course and its posteriors."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from selector_api.web.schemas.common import Answer, Moment, example


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
    expires_at: Moment = Field(description="When its lease ends, or would have ended")


class SelectionsView(Answer):
    """A page of a run's selections, in the order in which they were made."""

    model_config = example(selections=[], next="200")

    selections: list[SelectionItemView]
    next: str | None = Field(description="`cursor` of the next page, null at the end")


class PointView(Answer):
    """Some commits in a row."""

    model_config = example(
        step=300,
        commits=3,
        groups=96,
        etr=0.77,
        predicted=0.5,
        seen=0.47,
        never_selected=50112,
        capability={"math": 0.31},
        share={"math": 0.6, "code": 0.4},
        predicted_etr=0.8,
        all_failed=0.15,
        all_passed=0.08,
        behind=1.5,
        dropped=3,
        solved=310,
        relapsed=12,
    )

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
    predicted_etr: float | None = Field(
        description="Share that was expected to be informative, with the rollouts that they had, when selected"
    )
    all_failed: float | None = Field(description="Share of the outcomes in which every rollout failed")
    all_passed: float | None = Field(description="Share of the outcomes in which every rollout passed")
    behind: float | None = Field(
        description="Policy versions by which the outcomes were behind the newest on average; null if none told"
    )
    dropped: int = Field(description="Drops until then")
    solved: int = Field(description="Tasks that had passed in every rollout of their last group by then")
    relapsed: int = Field(description="Tasks of which that had been so once, and was so no more")


class DifficultyView(Answer):
    """How difficult the run's tasks were at a step."""

    model_config = example(
        step=288,
        tasks=[1200, 800, 640, 500, 420, 380, 400, 520, 900, 2100],
        groups=[0, 10, 40, 90, 120, 130, 80, 30, 12, 0],
    )

    step: int
    tasks: list[int] = Field(description="How many have a mean success probability in each tenth of [0, 1]")
    groups: list[int] = Field(
        description="Of how many outcomes since the histogram before it was expected in each tenth"
    )


class AgeView(Answer):
    """How many tasks have evidence of an age."""

    model_config = example(commits=100, tasks=1290)

    commits: int | None = Field(
        description="Their last commit was at most so many commits ago, and more than in the entry before; "
        "null: longer ago than in any"
    )
    tasks: int


class HistoryView(Answer):
    """The course of a run. What it is made from is bounded, so of a long run it tells less of each commit."""

    model_config = example(run="qwen-grpo-1", step=300, points=[], difficulty=[], ages=[])

    run: str
    step: int = Field(description="Commits so far")
    points: list[PointView] = Field(description="From the first commit to the last")
    difficulty: list[DifficultyView] = Field(description="At most 64 in the past, and as it is now")
    ages: list[AgeView] = Field(description="Of the tasks that were ever reported")


_POSTERIOR_EXAMPLE: dict[str, Any] = {
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


class PosteriorItemView(Answer):
    """What is known of one task. Further fields are the parameters of the run's kind of posterior, by name."""

    model_config = example({"additionalProperties": {"type": "number"}}, **_POSTERIOR_EXAMPLE)

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
        posteriors=[_POSTERIOR_EXAMPLE],
        next="10000",
    )

    step: int = Field(description="Commits so far")
    total: int = Field(description="Tasks on all pages together")
    posteriors: list[PosteriorItemView]
    next: str | None = Field(description="`cursor` of the next page, null at the end")


class VisitView(Answer):
    """One time that a task was handed out, or evaluated."""

    model_config = example(
        kind="group",
        step=118,
        at="2026-01-01T12:00:00.000Z",
        mean=0.44,
        sd=0.09,
        successes=7.0,
        trials=16,
        informative=True,
        version=117,
    )

    kind: Literal["group", "drop", "evaluation"]
    step: int = Field(description="Commits when it was over, itself among them")
    at: Moment | None = Field(description="When its outcome was taken in; null if that was not noted")
    mean: float | None = Field(
        description="Success probability that was expected when it was selected; null if it was not"
    )
    sd: float | None = Field(description="Its standard deviation")
    successes: float
    trials: int
    informative: bool
    version: int | None = Field(description="The policy version that made the group, if it was told")


class VisitsView(Answer):
    """A task, and what became of it each time."""

    model_config = example(step=120, posterior=_POSTERIOR_EXAMPLE, visits=[], since=0)

    step: int = Field(description="Commits so far")
    posterior: PosteriorItemView
    visits: list[VisitView] = Field(description="In order")
    since: int = Field(description="The step from which on all visits are kept, 0 for the first")


class CallCostView(Answer):
    """How long the last calls took."""

    model_config = example(calls=200, p50_ms=2.1, p95_ms=4.7)

    calls: int = Field(description="How many they are, at most 200")
    p50_ms: float = Field(description="Median of their milliseconds in the service")
    p95_ms: float = Field(description="19 of 20 took no longer")


class CostView(Answer):
    """What a run's training steps cost of late, as far as the process that answers has served them."""

    model_config = example(
        run="qwen-grpo-1", select={"calls": 200, "p50_ms": 2.1, "p95_ms": 4.7}, report=None
    )

    run: str
    select: CallCostView | None = Field(description="null if there was none")
    report: CallCostView | None = Field(description="null if there was none")
