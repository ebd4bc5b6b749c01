"""What goes over the wire: the pieces that a trainer sends and the answers that it gets.

Pieces refuse unknown fields, so that a typing mistake is seen at once. Answers ignore them, so that an older
client works with a newer service.
"""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

Identifier = Annotated[str, Field(min_length=1, max_length=256)]
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


class Outcome(_Piece):
    """What a trainer saw of one task: `successes` (0 to `trials`, fractions allowed) out of `trials`."""

    task: Identifier
    successes: Annotated[FiniteFloat, Field(ge=0)]
    trials: Annotated[int, Field(ge=1, le=1_000_000)]

    @model_validator(mode="after")
    def _not_more_successes_than_trials(self) -> Self:
        if self.successes > self.trials:
            raise ValueError(
                f"successes is {self.successes} of {self.trials} trials; it cannot exceed trials"
            )
        return self

    @classmethod
    def from_rewards(cls, task: str, rewards: Iterable[float]) -> "Outcome":
        """The outcome of rollouts with these rewards, each in [0, 1]: successes are their sum.

        Raises ValueError if there is no reward or one lies outside [0, 1].
        """
        values = [float(reward) for reward in rewards]
        for value in values:
            if not 0 <= value <= 1:
                raise ValueError(
                    f"rewards of task {task!r}: got {value}, each must lie in [0, 1]; "
                    "for counts send Outcome(task=…, successes=…, trials=…)"
                )
        return cls(task=task, successes=math.fsum(values), trials=len(values))


class Explanation(_Answer):
    """Why a task was selected: its posterior at that moment and the success rate that was drawn from it."""

    task: str
    alpha: float | None = None
    beta: float | None = None
    draw: float | None = None


class Selection(_Answer):
    """A batch of tasks, leased to the caller until `expires_at`.

    `step` is the run's number of commits at that moment, `replayed` whether the key had been asked before.
    With `fallback` the client drew the tasks itself because the service was away: they are not leased,
    `expires_at` and `explain` are None, and `step` is the last one this client heard of.
    """

    selection: str
    run: str
    step: int
    tasks: list[str]
    expires_at: datetime | None = None
    replayed: bool = False
    explain: list[Explanation] | None = None
    fallback: bool = False


class Receipt(_Answer):
    """The answer to a report.

    `accepted` outcomes are new, `duplicates` had been counted before, `remaining` tasks of the selection have
    no outcome yet, `committed` says whether these outcomes have entered the posteriors, `step` is the run's
    number of commits. `selection` is None for the outcomes of a fallback selection. With `spooled` the
    service was away and the report waits on disk: nothing is counted yet, `remaining` is None, and `step` is
    the last one this client heard of.
    """

    selection: str | None
    accepted: int
    duplicates: int
    remaining: int | None
    committed: bool
    step: int
    spooled: bool = False


class PoolInfo(_Answer):
    """A pool: its number of `tasks`, of tasks by domain, and the names of its references."""

    pool: str
    tasks: int
    domains: dict[str, int]
    references: list[str]


class TaskReceipt(_Answer):
    """The answer to adding tasks: how many were new, how many were there already, how many the pool has."""

    inserted: int
    unchanged: int
    tasks: int


class SelectionCounts(_Answer):
    """A run's selections by state; `expired` are those that ended with nothing reported."""

    open: int
    committed: int
    expired: int


class EffectiveTaskRatio(_Answer):
    """Share of reported tasks whose pass rate was strictly between 0 and 1; None before the first report."""

    last: float | None
    recent: float | None
    by_domain: dict[str, float | None]


class RunStatus(_Answer):
    """A run: its config, number of commits, selections, capability μ by domain (None: unset) and ETR."""

    run: str
    config: dict[str, Any]
    step: int
    tasks: int
    selections: SelectionCounts
    capability: dict[str, float | None]
    etr: EffectiveTaskRatio
    never_selected: int


class PosteriorRow(_Answer):
    """A task's posterior success rate; `alpha` and `beta` are None if the posterior is not a Beta.

    `selected` counts how often it was selected, `last_step` is the step of its last commit (None: none).
    """

    task: str
    mean: float
    sd: float
    alpha: float | None = None
    beta: float | None = None
    selected: int
    last_step: int | None
