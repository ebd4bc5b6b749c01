"""What the dashboard shows of a run beside its status."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from selector_api.core.advisory import Advisory
from selector_api.core.calibration import CalibrationBin
from selector_api.core.domains import DomainTasks
from selector_api.core.moves import Move
from selector_api.web.schemas.common import Answer, Time, example
from selector_api.web.schemas.run_evidence import (
    POINT_EXAMPLE,
    POSTERIOR_EXAMPLE,
    DifficultyView,
    PointView,
    PosteriorItemView,
)


class DetailedPointView(PointView):
    """Some commits in a row, with all that is known of them."""

    model_config = example(
        **POINT_EXAMPLE,
        predicted_etr=0.8,
        all_failed=0.15,
        all_passed=0.08,
        behind=1.5,
        dropped=3,
        solved=310,
        relapsed=12,
    )

    predicted_etr: float | None = Field(
        description="Share that was expected to be informative when selected, with the rollouts that they had"
    )
    all_failed: float | None = Field(description="Share of the outcomes in which every rollout failed")
    all_passed: float | None = Field(description="Share of the outcomes in which every rollout passed")
    behind: float | None = Field(
        description="Policy versions by which the outcomes were behind the newest, on average; null if none told"
    )
    dropped: int = Field(description="Drops until then")
    solved: int = Field(description="Tasks that had passed in every rollout of their last group by then")
    relapsed: int = Field(description="Tasks of which that had been so once, and was so no more")


class DetailedDifficultyView(DifficultyView):
    """How difficult the run's tasks were at a step, and what had been selected until then."""

    model_config = example(
        step=288,
        tasks=[1200, 800, 640, 500, 420, 380, 400, 520, 900, 2100],
        groups=[0, 10, 40, 90, 120, 130, 80, 30, 12, 0],
    )

    groups: list[int] = Field(
        description="Of how many outcomes since the entry before a success probability in each tenth was expected"
    )


class AgeView(Answer):
    """How many tasks have evidence of an age."""

    model_config = example(commits=100, tasks=1290)

    commits: int | None = Field(
        description="Their last commit was at most so many commits ago, and more than in the entry before; "
        "null: longer ago than in any"
    )
    tasks: int


class InsightView(Answer):
    """What a run's figures say, and its course."""

    model_config = example(
        run="qwen-grpo-1",
        step=300,
        advisories=[
            {"code": "honest", "level": "ok", "text": "A pass rate of 0.50 was expected, 0.48 seen."}
        ],
        warnings=[],
        capability_moves={"math": {"early": 0.31, "late": 0.47, "direction": 1, "turns": []}},
        capability_scale="0 is the reference `qwen-7b`, 1 the reference `qwen-30b`.",
        calibration_error=0.03,
        calibration_by_domain={"math": {"groups": 600, "predicted": 0.5, "seen": 0.48}},
        domains={
            "math": {
                "tasks": 200,
                "never_selected": 138,
                "selected": 640,
                "dropped": 3,
                "stuck": 37,
                "left_alone": {"tasks": 40, "expected": 0.06, "passed": 0.35},
            }
        },
        drops={"timeout": 3},
        cooling=1,
        solved=310,
        relapsed=12,
        stuck=37,
        ages=[],
        points=[],
        difficulty=[],
    )

    run: str
    step: int = Field(description="Commits so far")
    advisories: list[Advisory]
    warnings: list[str] = Field(description="What should be seen to")
    capability_moves: dict[str, Move] = Field(description="How far it has moved, by domain where it is known")
    capability_scale: str = Field(description="What the capability is measured in; empty if there is none")
    calibration_error: float | None = Field(
        description="How far the expected and the seen pass rates of the last 1,000 groups are apart, by tenths"
    )
    calibration_by_domain: dict[str, CalibrationBin] = Field(description="Of the domains that have groups")
    domains: dict[str, DomainTasks] = Field(description="What became of the tasks of each")
    drops: dict[str, int] = Field(description="How many drops came for which reason; rare ones together")
    cooling: int = Field(description="Tasks left out of selections for a while, because they were dropped")
    solved: int = Field(description="Tasks that passed in every rollout of their last group")
    relapsed: int = Field(description="Tasks of which that was so once, and is so no more")
    stuck: int = Field(description="Tasks that failed in every rollout of each of their last four groups")
    ages: list[AgeView] = Field(description="Of the tasks that were ever reported")
    points: list[DetailedPointView] = Field(description="From the first commit to the last")
    difficulty: list[DetailedDifficultyView] = Field(description="At most 64 in the past, and as it is now")


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
    at: Time | None = Field(description="When its outcome was taken in; null if that was not noted")
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

    model_config = example(step=120, posterior=POSTERIOR_EXAMPLE, visits=[], since=0)

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
        run="qwen-grpo-1",
        select={"calls": 200, "p50_ms": 2.1, "p95_ms": 4.7},
        report={"calls": 200, "p50_ms": 0.9, "p95_ms": 1.6},
    )

    run: str
    select: CallCostView | None = Field(description="null if there was none")
    report: CallCostView | None = Field(description="null if there was none")
