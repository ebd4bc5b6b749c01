"""Runs: their configuration, and what is known of them."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    Field,
    FiniteFloat,
    field_validator,
    model_validator,
)

from selector_api.core.config import RunConfig
from selector_api.web.schemas.common import Answer, Id, Name, Request, Share, Whole, example

MAX_SEED = 2**63 - 1
MAX_LEASE_SECONDS = 30 * 24 * 3600.0

# Bounded away from 0: a smaller one can vanish in arithmetic, and a Beta posterior has no pseudo-count of 0.
PseudoCount = Annotated[FiniteFloat, Field(ge=1e-6, le=1e9)]


class BotsPosteriorItem(Request):
    """A discounted Beta posterior of every task's success probability."""

    model_config = example(type="bots", prior=[1.0, 1.0], forgetting=0.1, implicit_weight=0.1, rollouts=16)

    type: Literal["bots"]
    prior: Annotated[list[PseudoCount], Field(min_length=2, max_length=2)] = Field(
        default=[1.0, 1.0], description="Pseudo-counts (α0, β0)"
    )
    forgetting: Share = Field(default=0.1, description="λ: share that returns to the prior at every commit")
    implicit_weight: Share = Field(default=0.1, description="ρ: weight of the implicit evidence")
    rollouts: Whole = Field(
        default=16, ge=1, le=1_000_000, description="m: pseudo-rollouts that the implicit evidence stands for"
    )


class InterpolationItem(Request):
    """Implicit evidence interpolated between two reference models."""

    model_config = example(type="interpolation", weak="qwen-7b", strong="qwen-30b", smoothing=0.9)

    type: Literal["interpolation"]
    weak: Id = Field(description="Name of the weak reference")
    strong: Id = Field(description="Name of the strong reference")
    smoothing: Annotated[FiniteFloat, Field(ge=0.0, lt=1.0)] = Field(
        default=0.9, description="Share of the old capability that a commit keeps"
    )

    @model_validator(mode="after")
    def _two_references(self) -> InterpolationItem:
        if self.weak == self.strong:
            raise ValueError("weak and strong must name two different references")
        return self


class NoImplicitItem(Request):
    """No implicit evidence."""

    model_config = example(type="none")

    type: Literal["none"]


class _PolicyItem(Request):
    domains: dict[Id, Share] | None = Field(
        default=None,
        exclude_if=lambda shares: shares is None,
        description="Fixed share of each batch by domain, summing to 1; without it the pool is one",
    )

    @field_validator("domains")
    @classmethod
    def _shares_sum_to_one(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        if value is not None and not math.isclose(sum(value.values()), 1.0, abs_tol=1e-6):
            raise ValueError("the shares must sum to 1")
        return value


class _TargetPolicyItem(_PolicyItem):
    target: Share = Field(default=0.5, description="p*: the success probability that is sought")
    temperature: Annotated[FiniteFloat, Field(ge=0.0, le=1e6)] = Field(
        default=0.0, description="τ: 0 takes the nearest tasks, above it a softmax of −|p̂ − p*|/τ"
    )
    exploration: Share = Field(default=0.0, description="Share of a batch that is drawn uniformly")


class ThompsonItem(_TargetPolicyItem):
    """Tasks whose drawn success probability is nearest the target."""

    model_config = example(type="thompson", target=0.5, temperature=0.0, exploration=0.05)

    type: Literal["thompson"]


class PosteriorMeanItem(_TargetPolicyItem):
    """Tasks whose posterior mean is nearest the target."""

    model_config = example(type="posterior-mean", target=0.5, temperature=0.05, exploration=0.0)

    type: Literal["posterior-mean"]


class BaselineItem(_PolicyItem):
    """A baseline that does not look at the posterior."""

    model_config = example(type="random", domains={"math": 0.75, "code": 0.25})

    type: Literal["random", "sequential", "shuffle", "easy-to-hard"]


PosteriorItem: TypeAlias = BotsPosteriorItem
ImplicitItem: TypeAlias = Annotated[InterpolationItem | NoImplicitItem, Field(discriminator="type")]
PolicyItem: TypeAlias = Annotated[
    ThompsonItem | PosteriorMeanItem | BaselineItem, Field(discriminator="type")
]

_CONFIG_EXAMPLE: dict[str, Any] = {
    "pool": "guru",
    "seed": 0,
    "posterior": {"type": "bots", "forgetting": 0.1, "implicit_weight": 0.1, "rollouts": 16},
    "implicit": {"type": "interpolation", "weak": "qwen-7b", "strong": "qwen-30b"},
    "policy": {"type": "thompson", "target": 0.5, "exploration": 0.05},
    "lease_seconds": 3600.0,
}


class RunRequest(Request):
    """PUT /runs/{run}: how a run selects. Absent fields take the defaults of the paper's run."""

    model_config = example(**_CONFIG_EXAMPLE)

    pool: Name = Field(description="The pool to draw from")
    seed: Whole = Field(default=0, ge=0, le=MAX_SEED, description="Seed of all draws")
    posterior: PosteriorItem = Field(default_factory=lambda: BotsPosteriorItem(type="bots"))
    implicit: ImplicitItem = Field(default_factory=lambda: NoImplicitItem(type="none"))
    policy: PolicyItem = Field(default_factory=lambda: ThompsonItem(type="thompson"))
    lease_seconds: Annotated[FiniteFloat, Field(gt=0.0, le=MAX_LEASE_SECONDS)] = Field(
        default=3600.0, description="How long a selection's tasks are held"
    )
    share_leased: bool = Field(default=False, description="Whether leased tasks may be handed out again")

    def config(self) -> RunConfig:
        """The configuration as the core has it."""
        return RunConfig.from_dict(self.model_dump(exclude_none=True))


class ConfigView(Answer):
    """A run's configuration, every default written out."""

    model_config = example(**_CONFIG_EXAMPLE, share_leased=False)

    pool: str
    seed: int
    posterior: PosteriorItem
    implicit: ImplicitItem
    policy: PolicyItem
    lease_seconds: float
    share_leased: bool


class SelectionCounts(Answer):
    """How many selections are in which state."""

    model_config = example(open=1, committed=120, expired=2)

    open: int
    committed: int
    expired: int = Field(description="Closed with nothing reported")


class EffectiveTaskRatio(Answer):
    """Share of reported tasks whose pass rate was strictly between 0 and 1; null before any."""

    model_config = example(last=0.78, recent=0.74, by_domain={"math": 0.76, "code": None})

    last: float | None = Field(description="Of the last commit")
    recent: float | None = Field(description="Of the last 20 commits")
    by_domain: dict[str, float | None] = Field(description="Of the last 20 commits, by domain")


class RunView(Answer):
    """A run."""

    model_config = example(
        run="qwen-grpo-1",
        config=_CONFIG_EXAMPLE | {"share_leased": False},
        step=120,
        tasks=54400,
        selections={"open": 1, "committed": 120, "expired": 0},
        capability={"math": 0.31, "code": None},
        etr={"last": 0.78, "recent": 0.74, "by_domain": {"math": 0.76, "code": 0.7}},
        never_selected=50112,
    )

    run: str
    config: ConfigView
    step: int = Field(description="Commits so far")
    tasks: int = Field(description="Tasks that the run can draw from")
    selections: SelectionCounts
    capability: dict[str, float | None] = Field(description="μ by domain, null while it is unset")
    etr: EffectiveTaskRatio
    never_selected: int = Field(description="Tasks that were never selected")


_POSTERIOR_EXAMPLE: dict[str, Any] = {
    "task": "gsm8k/17",
    "mean": 0.44,
    "sd": 0.09,
    "alpha": 12.4,
    "beta": 15.8,
    "selected": 3,
    "last_step": 118,
}


class PosteriorItemView(Answer):
    """What is known of one task."""

    model_config = example(**_POSTERIOR_EXAMPLE)

    task: str
    mean: float = Field(description="Mean of its success probability")
    sd: float = Field(description="Standard deviation")
    alpha: float | None = Field(description="Of a Beta posterior")
    beta: float | None = Field(description="Of a Beta posterior")
    selected: int = Field(description="How often it was selected")
    last_step: int | None = Field(description="Step of its last commit")


class PosteriorsView(Answer):
    """A page of posteriors."""

    model_config = example(
        step=120,
        posteriors=[_POSTERIOR_EXAMPLE],
        next="10000",
    )

    step: int = Field(description="Commits so far")
    posteriors: list[PosteriorItemView]
    next: str | None = Field(description="`cursor` of the next page, null at the end")
