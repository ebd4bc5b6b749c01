"""Events and tables for tests of the core: a log is written by hand, without a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from selector_api.core.config import RunConfig
from selector_api.core.fold import LOG_VERSION, fold, fold_on
from selector_api.core.state import RunState
from selector_api.core.task_rows import TaskRows
from selector_api.core.tasks import DEFAULT_DOMAIN, TaskTable

Row = tuple[str, str, Mapping[str, float]]


def table_of(rows: Iterable[Row], table: TaskTable | None = None) -> TaskTable:
    """A table of (id, domain, references) rows, after those of `table`."""
    ids, domains, references = zip(*rows, strict=True)
    return (TaskTable.empty() if table is None else table).extended(TaskRows.of(ids, domains, references))


def plain_rows(count: int, domain: str = DEFAULT_DOMAIN, prefix: str = "t") -> list[Row]:
    """Tasks without references."""
    return [(f"{prefix}{number}", domain, {}) for number in range(count)]


def created(config: RunConfig, tasks: int) -> dict[str, Any]:
    return {"type": "created", "version": LOG_VERSION, "config": config.to_dict(), "tasks": tasks}


def selected(selection: str, tasks: Iterable[str]) -> dict[str, Any]:
    return {"type": "selected", "selection": selection, "tasks": list(tasks)}


def committed(
    selection: str | None, outcomes: Mapping[str, tuple[float, int]], reason: str = "complete"
) -> dict[str, Any]:
    return {
        "type": "committed",
        "selection": selection,
        "reason": reason,
        "outcomes": [{"task": task, "successes": s, "trials": n} for task, (s, n) in outcomes.items()],
    }


def fold_all(events: Iterable[Mapping[str, Any]], table: TaskTable) -> RunState:
    """The state after a whole log."""
    state = fold_on(None, events, table)
    assert state is not None, "the log is empty"
    return state


def started(config: RunConfig, table: TaskTable, tasks: int | None = None) -> RunState:
    return fold(None, created(config, len(table) if tasks is None else tasks), table)


def commit(state: RunState, outcomes: Mapping[str, tuple[float, int]], name: str = "s") -> RunState:
    """Select these tasks and report them all."""
    state = fold(state, selected(name, outcomes), state.table)
    return fold(state, committed(name, outcomes), state.table)
