"""Posteriors of many tasks, as a page of JSON or a Parquet file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from selector_api.core.arrays import BoolArray, FloatArray, IntArray
from selector_api.core.state import RunState
from selector_api.core.tasks import TaskTable
from selector_api.store.arrow_columns import containing
from selector_api.store.refusals import UnknownDomainAsked, UnknownTask
from selector_api.web.problems import Problem
from selector_api.web.tables import domains_of, references_of
from selector_api.web.unknown_tasks import of_unknown_task

_ROW_GROUP = 100_000


class Found(NamedTuple):
    """What a search has found in a table, which never changes."""

    table: TaskTable
    is_in: BoolArray
    """Of each task whether its id has the text."""


@dataclass(frozen=True)
class Wanted:
    """Which tasks, and in which order."""

    ids: tuple[str, ...] = ()
    """Only these; all if there are none."""
    domain: str | None = None
    """Only those of this domain."""
    sort: str | None = None
    """A name of `_SORTED_BY`, behind a minus for descending; otherwise in the order of the ids, or of the pool."""
    search: str | None = None
    """Only those whose id has this text somewhere."""
    found: Found | None = None
    """What was found of it in a table; if a state has another one, it is searched anew."""

    def searched(self, table: TaskTable) -> Wanted:
        """The same, with what is found. That takes long and needs no state, so no selection need wait for it."""
        return replace(self, found=Found(table, containing(table.texts, self.search or "")))


def page(state: RunState, wanted: Wanted, first: int, limit: int) -> bytes:
    """A page as JSON: so many of these tasks, from place `first` on.

    Raises:
        Problem: unknown-task or unknown-domain.
    """
    tasks = chosen(state, wanted)
    following = first + limit
    found = rows(state, tasks[first:following])
    more = following < len(tasks)
    answer = {
        "step": state.step,
        "total": len(tasks),
        "posteriors": found,
        "next": str(following) if more else None,
    }
    return json.dumps(answer).encode()


def all_rows(state: RunState, wanted: Wanted) -> Iterator[pa.Table]:
    """These tasks, many at a time; where there are none, a table without any.

    Raises:
        Problem: unknown-task or unknown-domain.
    """
    tasks = chosen(state, wanted)
    schema = _schema_of(state)
    for start in range(0, max(len(tasks), 1), _ROW_GROUP):
        columns = _columns(state, tasks[start : start + _ROW_GROUP])
        columns["references"] = [list(each.items()) for each in columns["references"]]
        yield pa.table(columns, schema=schema)


def chosen(state: RunState, wanted: Wanted) -> IntArray:
    """The tasks that are wanted, in the wanted order.

    Raises:
        Problem: unknown-task or unknown-domain.
    """
    tasks = np.arange(state.size, dtype=np.int64)
    if wanted.ids:
        tasks = state.table.find(wanted.ids)
        (unknown,) = np.nonzero((tasks < 0) | (tasks >= state.size))
        if len(unknown):
            error = UnknownTask(wanted.ids[int(unknown[0])], state.table.first_ids(state.size))
            raise of_unknown_task(error, "task")
    if wanted.domain is not None:
        if wanted.domain not in state.domains():
            raise Problem.of(UnknownDomainAsked(wanted.domain, state.domains()))
        tasks = tasks[state.table.domain_codes[tasks] == state.table.domains.index(wanted.domain)]
    if wanted.search:
        found = wanted.found
        if found is None or found.table is not state.table:
            found = Found(state.table, containing(state.table.texts, wanted.search))
        tasks = tasks[found.is_in[tasks]]
    if wanted.sort is not None:
        values = _SORTED_BY[wanted.sort.removeprefix("-")](state, tasks)
        return tasks[np.argsort(-values if wanted.sort.startswith("-") else values, kind="stable")]
    return tasks


_SORTED_BY: dict[str, Callable[[RunState, IntArray], IntArray | FloatArray]] = {
    "mean": lambda state, tasks: state.posterior.of_tasks(tasks).mean(),
    "sd": lambda state, tasks: state.posterior.of_tasks(tasks).sd(),
    "last_step": lambda state, tasks: state.history.last_step(tasks),
    "selected": lambda state, tasks: state.history.times_selected(tasks),
    "dropped": lambda state, tasks: state.history.tallies.of_tasks(tasks)[2],
    "streak": lambda state, tasks: state.history.streaks.of_tasks(tasks),
}


def _schema_of(state: RunState) -> pa.Schema:
    """The columns of `all_rows`."""
    numbers = ("mean", "sd", *state.posterior.of_classes().parameters())
    return pa.schema(
        [
            ("task", pa.string()),
            *((name, pa.float64()) for name in numbers),
            ("selected", pa.int64()),
            ("last_step", pa.int64()),
            ("domain", pa.string()),
            ("successes", pa.float64()),
            ("trials", pa.int64()),
            ("dropped", pa.int64()),
            ("excluded", pa.bool_()),
            ("references", pa.map_(pa.string(), pa.float64())),
            ("streak", pa.int64()),
        ]
    )


def rows(state: RunState, tasks: IntArray) -> list[dict[str, Any]]:
    """What is known of these tasks, as JSON values."""
    columns = _columns(state, tasks)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _columns(state: RunState, tasks: IntArray) -> dict[str, list[Any]]:
    marginals = state.posterior.of_tasks(tasks)
    last_step = state.history.last_step(tasks).tolist()
    successes, trials, dropped = state.history.tallies.of_tasks(tasks)
    return {
        "task": state.table.ids(tasks),
        "mean": marginals.mean().tolist(),
        "sd": marginals.sd().tolist(),
        **{name: values.tolist() for name, values in marginals.parameters().items()},
        "selected": state.history.times_selected(tasks).tolist(),
        "last_step": [step if step >= 0 else None for step in last_step],
        "domain": domains_of(state.table, tasks),
        "successes": successes.tolist(),
        "trials": trials.tolist(),
        "dropped": dropped.tolist(),
        "excluded": state.withheld.has(tasks).tolist(),
        "references": references_of(state.table, tasks),
        "streak": state.history.streaks.of_tasks(tasks).tolist(),
    }
