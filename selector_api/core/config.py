"""What a run is configured with, as it stands in the `created` event of its log.

The web layer validates; these classes only carry the values. Symbols in brackets are the paper's
(arXiv 2510.26374).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, TypeAlias


@dataclass(frozen=True)
class BotsPosterior:
    """A discounted Beta posterior of every task's success probability."""

    type: ClassVar[str] = "bots"
    prior: tuple[float, float] = (1.0, 1.0)
    """Pseudo-counts (α0, β0) of the prior, both > 0."""
    forgetting: float = 0.1
    """λ in [0, 1]: how much of the posterior returns to the prior at every commit."""
    implicit_weight: float = 0.1
    """ρ in [0, 1]: weight of the implicit evidence."""
    rollouts: int = 16
    """m >= 1: the number of pseudo-rollouts that the implicit evidence stands for."""


@dataclass(frozen=True)
class Interpolation:
    """Implicit evidence interpolated between a weak and a strong reference model."""

    type: ClassVar[str] = "interpolation"
    weak: str
    """Name of the weak reference: capability 0."""
    strong: str
    """Name of the strong reference: capability 1."""
    smoothing: float = 0.9
    """Share of the old capability that each informative commit keeps, in [0, 1)."""


@dataclass(frozen=True)
class NoImplicit:
    """No implicit evidence: tasks that were not selected learn nothing."""

    type: ClassVar[str] = "none"


@dataclass(frozen=True)
class _Policy:
    domains: dict[str, float] | None = None
    """Fixed share of every batch by domain name, summing to 1; None draws from the pool as one."""


@dataclass(frozen=True)
class _TargetPolicy(_Policy):
    target: float = 0.5
    """p* in [0, 1]: the success probability that is sought."""
    temperature: float = 0.0
    """τ >= 0: 0 takes the nearest tasks, above it a softmax of −|p̂ − p*|/τ."""
    exploration: float = 0.0
    """Share of a batch in [0, 1] that is drawn uniformly."""


@dataclass(frozen=True)
class ThompsonPolicy(_TargetPolicy):
    """Tasks whose drawn success probability is nearest the target."""

    type: ClassVar[str] = "thompson"


@dataclass(frozen=True)
class PosteriorMeanPolicy(_TargetPolicy):
    """Tasks whose posterior mean is nearest the target."""

    type: ClassVar[str] = "posterior-mean"


@dataclass(frozen=True)
class RandomPolicy(_Policy):
    """Uniformly drawn tasks."""

    type: ClassVar[str] = "random"


@dataclass(frozen=True)
class SequentialPolicy(_Policy):
    """Tasks in pool order, over and over."""

    type: ClassVar[str] = "sequential"


@dataclass(frozen=True)
class ShufflePolicy(_Policy):
    """Epochs: every task once in random order, then again."""

    type: ClassVar[str] = "shuffle"


@dataclass(frozen=True)
class EasyToHardPolicy(_Policy):
    """Tasks by the mean pass rate of their references, highest first, over and over."""

    type: ClassVar[str] = "easy-to-hard"


Implicit: TypeAlias = Interpolation | NoImplicit
Policy: TypeAlias = (
    ThompsonPolicy | PosteriorMeanPolicy | RandomPolicy | SequentialPolicy | ShufflePolicy | EasyToHardPolicy
)

_POSTERIORS = {kind.type: kind for kind in (BotsPosterior,)}
_IMPLICITS = {kind.type: kind for kind in (Interpolation, NoImplicit)}
_POLICIES = {
    kind.type: kind
    for kind in (
        ThompsonPolicy,
        PosteriorMeanPolicy,
        RandomPolicy,
        SequentialPolicy,
        ShufflePolicy,
        EasyToHardPolicy,
    )
}


@dataclass(frozen=True)
class RunConfig:
    """One run's configuration. Two runs with equal `to_dict()` are configured alike."""

    pool: str
    seed: int = 0
    """Seed of every draw of the run, 0 to 2⁶³−1."""
    posterior: BotsPosterior = field(default_factory=BotsPosterior)
    implicit: Implicit = field(default_factory=NoImplicit)
    policy: Policy = field(default_factory=ThompsonPolicy)
    lease_seconds: float = 3600.0
    """How long a selection's tasks are held for the caller, > 0."""
    share_leased: bool = False
    """Whether tasks of open selections may be handed out again."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunConfig:
        """The configuration that `to_dict` wrote. Absent fields take their defaults.

        Raises:
            KeyError: an unknown `type`.
            TypeError: an unknown field.
        """
        values = dict(values)
        for name, kinds in (("posterior", _POSTERIORS), ("implicit", _IMPLICITS), ("policy", _POLICIES)):
            if name in values:
                values[name] = _from_typed(kinds, values[name])
        return cls(**values)

    @property
    def references(self) -> tuple[str, str] | None:
        """The (weak, strong) references by whose rates this run tells tasks apart, None if by none."""
        return (
            (self.implicit.weak, self.implicit.strong) if isinstance(self.implicit, Interpolation) else None
        )

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON values, every default written out."""
        return {
            "pool": self.pool,
            "seed": self.seed,
            "posterior": _to_typed(self.posterior),
            "implicit": _to_typed(self.implicit),
            "policy": _to_typed(self.policy),
            "lease_seconds": self.lease_seconds,
            "share_leased": self.share_leased,
        }


def _from_typed(kinds: Mapping[str, type], values: Mapping[str, Any]) -> Any:
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return kinds[str(fields.pop("type"))](**fields)


def _to_typed(value: Any) -> dict[str, Any]:
    fields = {
        name: list(entry) if isinstance(entry, tuple) else entry for name, entry in asdict(value).items()
    }
    return {"type": value.type} | {name: entry for name, entry in fields.items() if entry is not None}
