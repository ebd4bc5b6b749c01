"""What a run is configured with: THE schema, in the API, in Redis and in the `created` event of its log.

Symbols in descriptions are the paper's (arXiv 2510.26374). A kind of posterior or policy stands in its own file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, cast

from annotated_types import Ge, Gt, Le

from selector_api.core.fields import ByType, Either, Name, from_dict, kinds, schema, to_dict
from selector_api.core.policies import Policy
from selector_api.core.policies.thompson import Thompson
from selector_api.core.posteriors import PosteriorConfig
from selector_api.core.posteriors.bots import Bots
from selector_api.core.rewards import Rewards
from selector_api.core.rewards.range import Range

MAX_SEED = 2**63 - 1
MAX_LEASE_SECONDS = 30 * 24 * 3600.0
LeaseSeconds = Annotated[float, Gt(0.0), Le(MAX_LEASE_SECONDS)]
MAX_BATCH = 10_000
"""The most tasks of a batch."""
MAX_OUTCOMES = 10_000
"""The most outcomes that one commit waits for."""


@dataclass(frozen=True)
class EveryOutcomes:
    """A commit for every so many outcomes, in the order of their arrival, whatever selections they are of."""

    __pydantic_config__ = schema(outcomes=64)

    outcomes: Annotated[int, Ge(1), Le(MAX_OUTCOMES)]
    """How many: the tasks of one optimizer step"""


Commit = Annotated[
    Literal["selection"] | EveryOutcomes,
    Either(f'must be "selection" or {{"outcomes": n}}, n a whole number from 1 to {MAX_OUTCOMES}'),
]
"""When outcomes enter the posteriors."""


@dataclass(frozen=True)
class Fork:
    """Where a run begins: with the evidence of another one, taken in anew under its own configuration."""

    __pydantic_config__ = schema(run="qwen-grpo-1", step=300)

    run: Name
    """The run whose evidence it is"""
    step: Annotated[int, Ge(0), Le(MAX_SEED)] | None = None
    """After how many of its commits; absent: all that it has when the fork is made"""


@dataclass(frozen=True)
class RunConfig:
    """How a run selects. Absent fields take the defaults of the paper's run."""

    __pydantic_config__ = schema(
        pool="guru",
        seed=0,
        posterior={
            "type": "bots",
            "forgetting": 0.1,
            "implicit_weight": 0.1,
            "rollouts": 16,
            "implicit": {"type": "interpolation", "weak": "qwen-7b", "strong": "qwen-30b"},
        },
        policy={"type": "thompson", "target": 0.5, "exploration": 0.05},
        lease_seconds=3600.0,
    )

    pool: Name
    """The pool to draw from"""
    seed: Annotated[int, Ge(0), Le(MAX_SEED)] = 0
    """Seed of all draws"""
    posterior: Annotated[PosteriorConfig, ByType()] = field(default_factory=Bots)
    """What is known of the tasks"""
    policy: Annotated[Policy, ByType()] = field(default_factory=Thompson)
    """How a batch is drawn; a body without it gets the policy that its posterior goes with"""
    rewards: Annotated[Rewards, ByType()] = field(default_factory=Range)
    """How a rollout's reward counts"""
    commit: Commit = "selection"
    """When outcomes enter the posteriors: with their selection, or as soon as so many have arrived"""
    lease_seconds: LeaseSeconds = 3600.0
    """How long a selection's tasks are held"""
    share_leased: bool = False
    """Whether leased tasks may be handed out again"""
    fork: Fork | None = None
    """The evidence to begin with; absent: none"""

    def reads(self, reference: str) -> bool:
        """Whether what it draws hangs on the tasks' rates with this reference."""
        return self.policy.needs_references or reference in self.posterior.references

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunConfig:
        """The configuration that `to_dict`, of this release or of one before it, wrote.

        The values are trusted, but for what `fields.from_dict` raises.
        """
        return from_dict(cls, completed(values))

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON values, every default written out."""
        return to_dict(self)


@dataclass(frozen=True)
class RunChange:
    """What may change while a run goes on; what is absent stays as it is."""

    __pydantic_config__ = schema(
        policy={"type": "thompson", "target": {"from": 0.7, "to": 0.4, "steps": 300}}
    )

    policy: Annotated[Policy, ByType()] | None = None
    """How a batch is drawn from now on; a target that moves begins now"""
    lease_seconds: LeaseSeconds | None = None
    """How long the tasks of selections made from now on are held"""
    share_leased: bool | None = None
    """Whether leased tasks may be handed out again"""
    commit: Commit | None = None
    """When outcomes enter the posteriors"""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunChange:
        """The change that `to_dict` wrote."""
        return from_dict(cls, values)

    def to_dict(self) -> dict[str, Any]:
        """What changes, as JSON values."""
        return to_dict(self)

    def of(self, config: RunConfig) -> RunConfig:
        """The configuration with this change."""
        changed = {name: value for name, value in vars(self).items() if value is not None}
        return replace(config, **changed)

    def beyond(self, config: RunConfig) -> RunChange:
        """What of it is not so already."""
        return RunChange(
            **{name: value for name, value in vars(self).items() if value != getattr(config, name)}
        )


def completed(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A configuration in today's form, with the policy that its posterior goes with if it names none.

    Raises:
        ValueError: as `upgraded`.
    """
    values = upgraded(values)
    posterior: Any = values.get("posterior")
    if "policy" not in values and isinstance(posterior, Mapping):
        of_type = cast("Mapping[str, Any]", posterior).get("type")
        for kind in kinds(PosteriorConfig):
            if kind.type == of_type:
                return {**values, "policy": {"type": kind.default_policy}}
    return values


def upgraded(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A configuration in today's form: up to 0.2 `implicit` stood beside the posterior, not in it.

    Raises:
        ValueError: it stands in both places, and not alike; or with another kind of posterior.
    """
    if not isinstance(values.get("posterior", {}), Mapping):
        return values
    posterior: Mapping[str, Any] = values.get("posterior", {"type": "bots"})
    if "implicit" not in {*values, *posterior}:
        return values
    if posterior.get("type", "bots") != "bots":
        raise ValueError(
            "implicit is evidence of a 'bots' posterior: leave it out; 'rasch' learns what references tell"
        )
    if "implicit" not in values:
        return values
    implicit = values["implicit"]
    if posterior.get("implicit", implicit) != implicit:
        raise ValueError("implicit and posterior.implicit differ: give posterior.implicit alone")
    others = {name: value for name, value in values.items() if name != "implicit"}
    return others | {"posterior": {**posterior, "implicit": implicit}}
