"""What the store refuses of a call: it names what is not there, or does not go with what is."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from selector_api.near_names import hint, listed, near_names, shown
from selector_api.store.errors import CallError

_MOST_NAMED = 10


@dataclass(eq=False)
class UnknownName(CallError):
    """Something was named that is not there. Its `detail` tells the name, and what is near it."""

    name: str
    known: Collection[str] = ()
    """What there is. Where that takes a while to find out, whoever answers tells it by `among`."""
    near: list[str] = field(init=False)
    """The known names that may have been meant."""
    place: ClassVar[str] = ""
    """The field that has the name, if it is always the same, with a colon."""
    problem: ClassVar[str]
    """What is wrong, with the name for `{}`."""
    cure: ClassVar[str] = ""
    """What to do, behind a semicolon."""

    def __post_init__(self) -> None:
        self.among(self.known)

    def among(self, known: Collection[str]) -> None:
        """Tell what there is."""
        self.known = known
        self.near = near_names(self.name, known)
        problem = self.problem.format(shown(self.name))
        self.detail = f"{self.place}{problem}{hint(self.name, known)}{self.cure}"


class UnknownPool(UnknownName):
    """There is no such pool."""

    code = "unknown-pool"
    place = "pool: "
    problem = "there is none named {}"
    cure = "; GET /pools lists them, PUT /pools/{pool} creates one"


class UnknownRun(UnknownName):
    """There is no such run."""

    code = "unknown-run"
    place = "run: "
    problem = "there is none named {}"
    cure = "; GET /runs lists them, PUT /runs/{run} creates one"


class UnknownParent(UnknownRun):
    """There is no run of which this one would be a fork."""

    place = "fork.run: "
    cure = "; GET /runs lists them"


@dataclass(eq=False)
class UnknownSelection(CallError):
    """The run made no such selection, or Redis has lost it."""

    selection: str
    code = "unknown-selection"
    detail = (
        "selection: the run has none of this id: it is another run's, or the store lost it; select anew, and "
        "report what you have of it without a selection (selection null, with a key)"
    )


class UnknownTask(UnknownName):
    """A task is named that the run or the pool does not have."""

    code = "invalid-request"
    problem = "there is no task {}"


class UnknownDomain(UnknownName):
    """A configuration names a domain that the pool does not have."""

    code = "unknown-domain"
    place = "policy.domains: "
    problem = "no task is of the domain {}"


class UnknownDomainAsked(UnknownDomain):
    """A call asks for the tasks of a domain that the run does not have."""

    place = "domain: "


class UnknownReference(UnknownName):
    """A configuration names a reference that no task of the pool was measured with."""

    code = "unknown-reference"
    problem = "no task of the pool was measured with a reference named {}"


@dataclass(eq=False)
class NoReferences(CallError):
    """A policy goes by the tasks' references, and no task of the pool was measured with any."""

    policy: str
    pool: str
    code = "unknown-reference"

    def __post_init__(self) -> None:
        self.detail = (
            f"policy: {self.policy} goes by the pass rates of references, and no task of pool {self.pool!r} has "
            "any; send its tasks again with their references, or choose another policy, such as shuffle"
        )


class TaskNotInSelection(UnknownName):
    """An outcome names a task that the selection does not hold."""

    code = "task-not-in-selection"
    problem = "{} is not a task of this selection"


@dataclass(eq=False)
class TaskConflict(CallError):
    """A task's id is there already with another domain, or another rate of a reference."""

    task: str
    field: str
    """`domain`, or `references.NAME`."""
    here: object
    sent: object
    code = "task-conflict"

    def __post_init__(self) -> None:
        self.detail = (
            f"{self.task!r}: its {self.field} is {self.here!r} and {self.sent!r} was sent; nothing was taken. "
            "Send what it has, or put the tasks into another pool"
        )


@dataclass(eq=False)
class ReferenceInUse(CallError):
    """A reference cannot be added to tasks that are there, because a run reads it."""

    reference: str
    run: str
    code = "reference-in-use"

    def __post_init__(self) -> None:
        self.detail = (
            f"references.{self.reference}: the run {self.run!r} reads it, so no task that is there can get it any "
            "more; give it another name, or delete the run first"
        )


@dataclass(eq=False)
class TooManyReferences(CallError):
    """The tasks of a pool would have been measured with more references than a pool may have."""

    limit: int
    code = "invalid-request"

    def __post_init__(self) -> None:
        most = f"the tasks of a pool have at most {self.limit} different ones"
        self.detail = f"references: {most}; put them into several pools"


@dataclass(eq=False)
class PoolInUse(CallError):
    """Runs draw from the pool, so it cannot be deleted."""

    pool: str
    runs: list[str]
    code = "pool-in-use"

    def __post_init__(self) -> None:
        more = f" and {len(self.runs) - _MOST_NAMED} more" if len(self.runs) > _MOST_NAMED else ""
        named = f": {listed(self.runs[:_MOST_NAMED])}{more}" if self.runs else ""
        self.detail = f"pool: runs draw from it{named}; delete them first, with DELETE /runs/{{run}}"


@dataclass(eq=False)
class UnusableConfig(CallError):
    """A run cannot begin as it was told to."""

    detail: str
    code = "invalid-request"


class UnusableFork(UnusableConfig):
    """The other run does not have what a fork asks of it."""


class UnusablePosterior(UnusableConfig):
    """The posterior cannot serve the tasks of the pool."""


CHANGEABLE = ("policy", "lease_seconds", "share_leased", "commit")
"""Fields of a run's configuration that may change while it goes on."""


@dataclass(frozen=True)
class Difference:
    """A field that is otherwise in a run than was sent; None is a field that is not there."""

    field: str
    here: Any
    sent: Any

    def __str__(self) -> str:
        return f"{self.field} is {_said(self.here)} there and {_said(self.sent)} was sent"


def _said(value: Any) -> str:
    return "absent" if value is None else json.dumps(value, ensure_ascii=False)


@dataclass(eq=False)
class RunConflict(CallError):
    """The run is there with another configuration; `difference` says what is other, and what to do."""

    run: str
    difference: str
    code = "run-conflict"

    @classmethod
    def of(cls, run: str, differing: Sequence[Difference]) -> RunConflict:
        """A conflict that names each of these fields."""
        fields = "; ".join(map(str, differing[:_MOST_NAMED]))
        more = f" (and {len(differing) - _MOST_NAMED} more)" if len(differing) > _MOST_NAMED else ""
        cure = (
            "change it with PATCH /runs/{run}"
            if all(each.field.partition(".")[0] in CHANGEABLE for each in differing)
            else 'begin another run with its evidence: PUT /runs/{new} with "fork"'
        )
        return cls(
            run,
            f"with another configuration: {fields}{more}. Send the same one, choose another name, or {cure}",
        )

    def __post_init__(self) -> None:
        self.detail = f"run: it exists {self.difference}"


@dataclass(eq=False)
class KeyConflict(CallError):
    """The key was used before for another batch, of a selection that was not given back."""

    run: str
    selection: str
    batch_size: int
    asked: str
    """The field that asks for a batch now: `batch_size` or `informative`."""
    code = "key-conflict"

    def __post_init__(self) -> None:
        self.detail = (
            f"{self.asked}: this key stands for selection {self.selection!r} of {self.batch_size} tasks; ask for "
            f"batch_size {self.batch_size}, use another key, fork the run, or release that selection first (POST "
            f"/runs/{self.run}/selections/{self.selection}/release), if nothing of it was committed"
        )


@dataclass(eq=False)
class SelectionClosed(CallError):
    """The selection has ended, so its lease cannot be renewed."""

    selection: str
    status: str
    code = "selection-closed"

    def __post_init__(self) -> None:
        self.detail = (
            f"selection: it has ended and is {self.status}, so there is no lease to renew; select anew. "
            "What is reported of it still counts"
        )


class NotExplained(CallError):
    """The key's selection was made without an explanation, and none can be given afterwards."""

    code = "not-explained"
    detail = "explain: the first call with this key did not ask for it; ask in the first call"
