"""What goes over the wire: the pieces that a trainer sends and the answers that it gets.

Pieces refuse unknown fields, so that a typing mistake is seen at once. Answers ignore them, so that an older
client works with a newer service.
"""

import warnings
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, FiniteFloat

from trainer_client.outcomes import Identifier

PosteriorOrder = Literal[
    "mean",
    "-mean",
    "sd",
    "-sd",
    "last_step",
    "-last_step",
    "selected",
    "-selected",
    "dropped",
    "-dropped",
    "streak",
    "-streak",
]
"""By which field of a `PosteriorRow`; with a minus, the highest first."""

Rate = Annotated[FiniteFloat, Field(ge=0, le=1)]


class _Piece(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Task(_Piece):
    """A task of a pool; `references` maps a reference's name to its pass rate in [0, 1] on this task."""

    id: Identifier
    domain: Identifier | None = None
    references: dict[str, Rate] = {}


class _Posterior(_Answer):
    """What is known of a task's success rate; what the answer has besides is kept as the kind's parameters."""

    model_config = ConfigDict(extra="allow")

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters of this kind of posterior by name, such as `alpha` and `beta` of a Beta."""
        further: dict[str, Any] = self.__pydantic_extra__ or {}
        return {name: value for name, value in further.items() if isinstance(value, int | float)}

    @property
    def alpha(self) -> float | None:
        """α, if the posterior is a Beta."""
        return self.parameters.get("alpha")

    @property
    def beta(self) -> float | None:
        """β, if the posterior is a Beta."""
        return self.parameters.get("beta")


class Explanation(_Posterior):
    """Why a task was selected: its posterior at that moment, and the success rate that stood for it.

    `mean` and `sd` are the posterior's, `informative` is the probability that its group is informative; services of
    release 0.2 do not tell them (None). `draw` is what was compared with the target: a draw from the posterior, its
    mean, or None where the policy looks at neither.
    `parameters` are those of the kind of posterior by name.
    """

    task: str
    mean: float | None = None
    sd: float | None = None
    draw: float | None = None
    informative: float | None = None


class Predicted(_Answer):
    """What the posterior expects of a batch: its mean pass rate, and how many of its groups are informative.

    Groups are of the `rollouts` that `select` was told.
    """

    mean: float | None = None
    informative: float | None = None


class Selection(_Answer):
    """A batch of tasks, leased to the caller until `expires_at`.

    `step` is the run's number of commits at that moment, `replayed` whether the key had been asked before, `status`
    what has become of it since ("open", "committed" or "released"; None: the service is of an older release).
    With `fallback` the client drew the tasks itself because the service was away: they are not leased,
    `expires_at` and `explain` are None, and `step` is the last one this client heard of.
    """

    selection: str
    run: str
    step: int
    tasks: list[str]
    expires_at: datetime | None = None
    replayed: bool = False
    status: str | None = None
    predicted: Predicted | None = None
    explain: list[Explanation] | None = None
    fallback: bool = False


class Place(_Answer):
    """Where a report stands among those of its client's outbox, by which the client notices what Redis has lost."""

    incarnation: str
    number: int
    taken: list[tuple[int, int]] = []


class Receipt(_Answer):
    """The answer to a report.

    `accepted` outcomes are new, `duplicates` had been counted before, `differing` are of tasks for which other
    values stand (up to ten are named in `differing_tasks`), `dropped` tasks could not be scored, `remaining` tasks
    of the selection are not known yet, `committed` says whether these outcomes have entered the posteriors,
    `step` is the number of commits. `selection` is None for the outcomes of a fallback selection. With `spooled`
    the service was away and the report waits on disk: nothing is counted yet, `remaining` is None, and `step` is
    the last one this client heard of.
    """

    selection: str | None
    accepted: int
    duplicates: int
    differing: int = 0
    differing_tasks: list[str] = []
    dropped: int = 0
    remaining: int | None
    committed: bool
    step: int
    spooled: bool = False
    place: Place | None = None


class PoolInfo(_Answer):
    """A pool: its number of `tasks`, of tasks by domain, and the names of its references.

    Services of release 0.2 do not tell how many tasks each reference was measured on, nor how many are `retired`.
    """

    pool: str
    tasks: int
    domains: dict[str, int]
    references: list[str]
    reference_counts: dict[str, int] = {}
    retired: int = 0


class TaskReceipt(_Answer):
    """The answer to adding tasks: how many were new, how many were there already, how many the pool has.

    `extended` were there, and references that they lacked were added to them.
    """

    inserted: int
    unchanged: int
    extended: int = 0
    tasks: int


class SelectionCounts(_Answer):
    """A run's selections by state; `released` are those that ended with nothing reported."""

    open: int
    committed: int
    released: Annotated[
        int, Field(validation_alias=AliasChoices("released", "expired"))
    ]  # 0.2 says `expired`

    @property
    def expired(self) -> int:
        """Deprecated: another name for `released`."""
        warnings.warn("SelectionCounts.expired is now called released", DeprecationWarning, stacklevel=2)
        return self.released


class EffectiveTaskRatio(_Answer):
    """Share of reported groups whose rewards were not all equal; None before the first report.

    `evaluation` is that of evaluations, which are not in the others.
    """

    last: float | None
    recent: float | None
    by_domain: dict[str, float | None]
    evaluation: float | None = None


class ReferenceWeight(_Answer):
    """What a reference counts in a run, as it was learned, with its standard deviation."""

    weight: float
    sd: float


class RunStatus(_Answer):
    """A run: its config, number of commits, selections, capability μ by domain (None: unset) and ETR.

    What services of release 0.2 do not tell is None: how often a task was `dropped`, how many are `excluded`, and
    what is a mapping here. `warnings` say what should be seen to.
    """

    run: str
    config: dict[str, Any]
    step: int
    tasks: int
    selections: SelectionCounts
    capability: dict[str, float | None]
    etr: EffectiveTaskRatio
    never_selected: int
    dropped: int | None = None
    excluded: int | None = None
    staleness: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    parent: dict[str, Any] | None = None
    rewound: dict[str, Any] | None = None
    references: dict[str, ReferenceWeight] | None = None
    warnings: list[str] = []


class PosteriorRow(_Posterior):
    """A task's posterior success rate; `parameters` are those of the kind of posterior by name.

    `selected` counts how often it was selected, `last_step` is the step of its last commit (None: none). Services
    of release 0.2 do not tell what follows these: all `successes` and `trials` that were ever counted, how often it
    was `dropped`, whether the run draws it no more (`excluded`), and how many of its last groups passed in every
    rollout, or with a minus failed so (`streak`).
    """

    task: str
    mean: float
    sd: float
    selected: int
    last_step: int | None
    domain: str | None = None
    successes: float | None = None
    trials: int | None = None
    dropped: int | None = None
    excluded: bool = False
    references: dict[str, float] = {}
    streak: int | None = None
