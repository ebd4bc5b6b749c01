"""What a trainer saw of its tasks: outcomes, and how they go over the wire."""

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator


def id_text(value: Any) -> Any:
    """An integer (also numpy's) as its decimal text, a UUID as its usual one; anything else as it is."""
    number = not isinstance(value, bool) and isinstance(value, Integral)
    return str(value) if number or isinstance(value, UUID) else value


Identifier = Annotated[str, Field(min_length=1, max_length=256), BeforeValidator(id_text)]
"""Text; integers and UUIDs are taken as theirs, as the service does."""


class Outcome(BaseModel):
    """What a trainer saw of one task: `successes` (0 to `trials`, fractions allowed) of `trials`, or its `rewards`.

    `reward` is that of one rollout, for trainers that have a row a rollout; such rows of a task are one outcome.
    Rewards are sent as they are. What they may be and what they are worth is the run's to say (`rewards` of its
    config).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Identifier
    successes: Annotated[FiniteFloat, Field(ge=0)] | None = None
    trials: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    rewards: Annotated[tuple[FiniteFloat, ...], Field(min_length=1, max_length=1_000_000)] | None = None
    reward: FiniteFloat | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [self.trials, self.rewards, self.reward]
        if (self.successes is None) != (self.trials is None) or forms.count(None) != 2:
            raise ValueError("give either successes and trials, or rewards, or reward")
        if self.successes is not None and self.trials is not None and self.successes > self.trials:
            raise ValueError(
                f"successes is {self.successes} of {self.trials} trials; it cannot exceed trials"
            )
        return self

    @classmethod
    def from_rewards(cls, task: str, rewards: Iterable[float]) -> "Outcome":
        """The outcome of rollouts with these rewards.

        Raises:
            ValueError: there is no reward, or one is not a finite number.
        """
        values = tuple(float(reward) for reward in rewards)
        if not values:
            raise ValueError(f"rewards of task {task!r}: none given; name a task without any in `dropped`")
        for value in values:
            if not math.isfinite(value):
                raise ValueError(
                    f"rewards of task {task!r}: got {value}; leave out rollouts without a reward"
                )
        return cls(task=task, rewards=values)

    @property
    def informative(self) -> bool:
        """Whether the group's rewards are not all equal, as far as the outcome tells."""
        if self.successes is not None and self.trials is not None:
            return 0 < self.successes < self.trials
        return min(self.each_reward) < max(self.each_reward)

    @property
    def each_reward(self) -> tuple[float, ...]:
        """The rewards, whichever way they were given; none beside counts."""
        return self.rewards or (() if self.reward is None else (self.reward,))

    def row(self) -> dict[str, Any]:
        """The outcome as it is sent."""
        return self.model_dump(exclude_none=True)


Outcomes = Sequence[Outcome] | Mapping[str, Iterable[float]]
"""What `report` takes: outcomes, or the rewards of each task's rollouts by the task's id."""

Drops = Mapping[str, str]
"""Tasks that could not be scored, and why."""


def outcome_list(outcomes: Outcomes) -> list[Outcome]:
    """The outcomes as a list, whichever way they were given; several of one task are summed.

    Counts and rewards of one task stay two, which the service sums.

    Raises:
        ValueError: see `Outcome.from_rewards`.
    """
    if isinstance(outcomes, Mapping):
        outcomes = [Outcome.from_rewards(task, rewards) for task, rewards in outcomes.items()]
    groups: dict[tuple[str, bool], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.task, outcome.trials is None), []).append(outcome)
    return [group[0] if len(group) == 1 else _sum(group) for group in groups.values()]


def _sum(group: Sequence[Outcome]) -> Outcome:
    """Outcomes of one task and form as one."""
    task = group[0].task
    if group[0].trials is None:
        return Outcome(task=task, rewards=tuple(reward for one in group for reward in one.each_reward))
    return Outcome(
        task=task,
        successes=math.fsum(one.successes or 0 for one in group),
        trials=sum(one.trials or 0 for one in group),
    )
