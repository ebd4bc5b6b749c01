"""Replay: what posteriors would have expected of the outcomes in a log, each before it took them in.

The log is folded once under each posterior, as a fork of the run would fold it. What is expected of a commit rests
on all that stands before it in the log (outcomes, evaluations, tasks that joined), and on nothing else. Replay
judges predictions, not selection: the tasks are those that the run picked.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.config import RunConfig
from selector_api.core.fields import to_dict
from selector_api.core.fold import UnreadableLog, evidence_of, fold
from selector_api.core.posteriors.posterior import PosteriorKind
from selector_api.core.state import RunState
from selector_api.core.task_rows import TaskRows
from selector_api.core.tasks import DEFAULT_DOMAIN, TaskTable

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Groups:
    """The groups that the commits of a log hold, one a row; those of one task in one commit are one."""

    step: IntArray
    """The commit, from 1."""
    task: IntArray
    domain: IntArray
    """Domain code."""
    successes: FloatArray
    trials: FloatArray

    def __len__(self) -> int:
        return len(self.step)

    @property
    def rates(self) -> FloatArray:
        """Pass rates."""
        return self.successes / self.trials


@dataclass(frozen=True)
class Forecast:
    """What a posterior expected of each group, before it knew the group's commit."""

    mean: FloatArray
    """Expected pass rates."""
    log_probability: FloatArray
    """Log of the probability that it gave to the successes that were seen."""

    @classmethod
    def joined(cls, parts: Sequence[Forecast]) -> Forecast:
        """That of the groups of several logs."""
        return cls(*_columns([(part.mean, part.log_probability) for part in parts], 2))


@dataclass(frozen=True)
class Replay:
    """A log, and what each posterior expected of it."""

    groups: Groups
    forecasts: list[Forecast]
    commits: int
    evaluated: int
    """Outcomes of evaluations: they inform the posteriors, and are not among the groups."""
    dropped: int


def replay(events: Iterable[Event], table: TaskTable, posteriors: Sequence[PosteriorKind | None]) -> Replay:
    """Fold a log under each of some posteriors, side by side.

    Args:
        events: the log, which is gone through once.
        table: the pool's tasks.
        posteriors: at least one; None is the run's own.

    Raises:
        UnreadableLog, ValueError: see `fold`.
    """
    states: list[RunState] = []
    seen: list[tuple[IntArray, IntArray, FloatArray, FloatArray]] = []
    expected: list[list[tuple[FloatArray, FloatArray]]] = [[] for _ in posteriors]
    for number, event in enumerate(events, 1):
        if event["type"] == "created":
            if states:
                raise UnreadableLog(f"another log begins with event {number}: give it a file of its own")
            with damage_told(number):
                states = [fold(None, _under(posterior, event), table) for posterior in posteriors]
            continue
        if not states:
            raise UnreadableLog(f"the log begins with {event['type']!r}, not with 'created'")
        with damage_told(number):
            _refuse_impossible(states[0], number, event)
            if event["type"] == "committed":
                tasks, successes, trials = evidence_of(states[0], event).by_task
                seen.append((np.full(len(tasks), states[0].step + 1), tasks, successes, trials))
                for state, rows in zip(states, expected, strict=True):
                    marginals = state.posterior.of_tasks(tasks)
                    rows.append((marginals.mean(), marginals.log_probability(successes, trials)))
            states = [fold(state, event, table) for state in states]
    if not states:
        raise UnreadableLog("the log is empty")
    step, task, successes, trials = _columns(seen, 4)
    step, task = step.astype(np.int64), task.astype(np.int64)
    groups = Groups(step, task, table.domain_codes[task].astype(np.int64), successes, trials)
    forecasts = [Forecast(*_columns(rows, 2)) for rows in expected]
    return Replay(groups, forecasts, states[0].step, states[0].evaluated, states[0].dropped)


def _values(row: Any) -> tuple[Any, Any, Any]:
    """Task or place, successes and trials of an outcome in an event."""
    if isinstance(row, dict):
        told = cast("dict[str, Any]", row)
        return told["task"], told["successes"], told["trials"]
    return row[0], row[1], row[2]


def _refuse_impossible(state: RunState, number: int, event: Event) -> None:
    """Raise `UnreadableLog` if an outcome in the event with this number has what its trials cannot have."""
    for selection, rows in _rows(event).items():
        for row in rows:
            place, successes, trials = _values(row)
            if 0 <= successes <= trials and 0 < trials < math.inf:
                continue
            task = place if isinstance(place, str) else state.table.ids(state.handed[selection][[place]])[0]
            raise UnreadableLog(
                f"event {number}: task {task!r} has {successes} successes out of {trials} trials; there is at "
                "least one trial, and successes are from 0 to the trials"
            )


def _rows(event: Event) -> Mapping[str, list[Any]]:
    """The outcomes in an event, by selection; those of none, and those of an evaluation, under ""."""
    outcomes: dict[str, list[Any]] | list[Any] = event.get("outcomes", event.get("rows", []))
    return outcomes if isinstance(outcomes, dict) else {"": outcomes}


@contextmanager
def damage_told(number: int) -> Generator[None, None, None]:
    """Raise `UnreadableLog` if nothing can be made of the event with this number."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise UnreadableLog(f"event {number} is damaged: {error!r}") from error


def _under(posterior: PosteriorKind | None, created: Event) -> Event:
    """The `created` event of the same run under this posterior."""
    if posterior is None:
        return created
    config = RunConfig.from_dict(created["config"]).to_dict()
    return {**created, "config": {**config, "posterior": to_dict(posterior)}}


def _columns(parts: Sequence[Sequence[np.ndarray]], count: int) -> list[np.ndarray]:
    return [np.concatenate(column) for column in zip(*parts, strict=True)] or [np.empty(0)] * count


@dataclass
class NamedTasks:
    """Stands for a pool that is gone: the tasks that a log names, all from the beginning and without references."""

    _ids: dict[str, None] = field(default_factory=dict[str, None])

    def read(self, event: Event) -> None:
        """Take in the tasks of an event."""
        self._ids.update(dict.fromkeys(_named(event)))

    def table(self) -> TaskTable:
        """The tasks of all events read."""
        nothing: Mapping[str, float] = {}
        ids, count = list(self._ids), len(self._ids)
        return TaskTable.empty().extended(TaskRows.of(ids, [DEFAULT_DOMAIN] * count, [nothing] * count))

    def log(self, events: Iterable[Event]) -> Iterator[Event]:
        """The events as those of a run with these tasks."""
        for event in events:
            # All are there from the beginning: nothing joins, and each event keeps its number.
            yield {**event, "tasks": len(self._ids)} if event["type"] in ("created", "grown") else event


def _named(event: Event) -> Iterator[str]:
    """The ids in an event."""
    ids = event.get("tasks")
    if isinstance(ids, list):
        yield from cast("list[str]", ids)
    for rows in (*_rows(event).values(), event.get("drops", [])):
        for row in rows:
            place: Any = row["task" if isinstance(row, dict) else 0]
            if isinstance(place, str):
                yield place
