"""What trainers ask of a replica."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from selector_api.core.config import Fork as ForkOf
from selector_api.core.config import RunChange, RunConfig
from selector_api.core.fields import to_dict
from selector_api.core.state import RunState
from selector_api.core.status import RunStatus
from selector_api.core.task_rows import TaskRows
from selector_api.store.codec import Drop as StoredDrop
from selector_api.store.codec import Outcome
from selector_api.store.store import Store
from tests.promises.pair import Task
from tests.promises.rows import Counts, Drop, Rewards, Sent

POOL = "pool"


class Handle(NamedTuple):
    """A selection as a trainer has it in hands: no other run's selection is it, whatever its id."""

    run: str
    incarnation: str
    id: str
    tasks: tuple[str, ...]
    number: int
    """Of all that were made, in any run and any past."""


@dataclass(frozen=True)
class Select:
    run: str
    batch_size: int
    key: str | None
    lease_seconds: float | None

    async def perform(self, store: Store) -> Any:
        live_run = await store.live_runs.of(self.run)
        return await live_run.select(self.batch_size, self.key, lease_seconds=self.lease_seconds)


@dataclass(frozen=True)
class Report:
    selection: Handle
    rows: tuple[Sent, ...]
    final: bool
    stamp: str = ""
    """Of its trainer's outbox."""

    @property
    def run(self) -> str:
        return self.selection.run

    async def perform(self, store: Store) -> Any:
        return await store.logs.report(self.run, self.selection.id, stored(self.rows), self.final, self.stamp)


@dataclass(frozen=True)
class ReportWithout:
    """Outcomes without a selection."""

    run: str
    key: str
    rows: tuple[Sent, ...]
    evaluation: bool
    stamp: str = ""

    async def perform(self, store: Store) -> Any:
        outcomes = [outcome for outcome in stored(self.rows) if isinstance(outcome, Outcome)]
        return await store.logs.report_unsolicited(self.run, self.key, outcomes, self.evaluation, self.stamp)


@dataclass(frozen=True)
class Renew:
    selection: Handle
    milliseconds: int

    @property
    def run(self) -> str:
        return self.selection.run

    async def perform(self, store: Store) -> Any:
        return await store.logs.renew(self.run, self.selection.id, self.milliseconds)


@dataclass(frozen=True)
class Release:
    selection: Handle

    @property
    def run(self) -> str:
        return self.selection.run

    async def perform(self, store: Store) -> Any:
        return await store.logs.release(self.run, self.selection.id)


@dataclass(frozen=True)
class Read:
    run: str

    async def perform(self, store: Store) -> Any:
        return await (await store.live_runs.of(self.run)).glance(view)


@dataclass(frozen=True)
class Exclude:
    run: str
    tasks: tuple[str, ...]
    kind: str

    async def perform(self, store: Store) -> Any:
        return await store.changes.exclude(self.run, self.tasks, self.kind)


@dataclass(frozen=True)
class Retire:
    tasks: tuple[str, ...]
    kind: str

    async def perform(self, store: Store) -> Any:
        return await store.retirements.retire(POOL, self.tasks, self.kind)


@dataclass(frozen=True, eq=False)
class AddTasks:
    tasks: tuple[Task, ...]

    async def perform(self, store: Store) -> Any:
        rows = TaskRows.of(
            [task["id"] for task in self.tasks],
            [task.get("domain") for task in self.tasks],
            [task["references"] for task in self.tasks],
        )
        return await store.pools.add_tasks(POOL, rows)


@dataclass(frozen=True, eq=False)
class Patch:
    run: str
    change: dict[str, Any]

    async def perform(self, store: Store) -> Any:
        return await store.changes.configure(self.run, RunChange.from_dict(self.change))


@dataclass(frozen=True, eq=False)
class Create:
    run: str
    config: dict[str, Any]

    async def perform(self, store: Store) -> Any:
        return await store.runs.create(self.run, RunConfig.from_dict(self.config))


@dataclass(frozen=True, eq=False)
class Fork:
    run: str
    parent: str
    step: int | None
    config: dict[str, Any]

    async def perform(self, store: Store) -> Any:
        fork = ForkOf(self.parent, self.step)
        config = RunConfig.from_dict({**self.config, "fork": to_dict(fork)})
        return await store.forks.create(self.run, config, fork)


@dataclass(frozen=True)
class Delete:
    run: str

    async def perform(self, store: Store) -> Any:
        await store.runs.delete(self.run)


Operation = (
    Select
    | Report
    | ReportWithout
    | Renew
    | Release
    | Read
    | Exclude
    | Retire
    | AddTasks
    | Patch
    | Create
    | Fork
    | Delete
)


def stored(rows: tuple[Sent, ...]) -> list[Outcome | StoredDrop]:
    """Rows, each of another task, as the store takes them."""
    outcomes: list[Outcome | StoredDrop] = []
    for task, value in rows:
        match value:
            case Rewards(each):
                outcomes.append(Outcome(task, sum(each), len(each), len(set(each)) > 1))
            case Counts(successes, trials):
                outcomes.append(Outcome(task, successes, trials))
            case Drop(why):
                outcomes.append(StoredDrop(task, why))
    return outcomes


def view(state: RunState) -> dict[str, Any]:
    """What a run's state tells its callers."""
    return RunStatus.of("", state).to_dict()
