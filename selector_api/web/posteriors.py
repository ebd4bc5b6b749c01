"""Posteriors of many tasks, as a page of JSON or a Parquet file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from selector_api.core.arrays import IntArray
from selector_api.core.state import RunState
from selector_api.store.errors import UnknownTask
from selector_api.web.problems import UNKNOWN_TASK, Problem

PAGE = 10_000
"""Tasks a page of JSON."""
_ROW_GROUP = 100_000


def page(state: RunState, first: int, ids: Sequence[str] | None) -> bytes:
    """A page as JSON: the tasks from index `first` on, or those of these ids.

    Raises:
        Problem: unknown-task.
    """
    tasks = _chosen(state, ids, first, first + PAGE)
    following = first + len(tasks)
    more = ids is None and len(tasks) > 0 and following < state.size
    columns = _columns(state, tasks)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    answer = {"step": state.step, "posteriors": rows, "next": str(following) if more else None}
    return json.dumps(answer).encode()


def write_parquet(state: RunState, path: Path, ids: Sequence[str] | None) -> None:
    """All tasks, or those of these ids, as a Parquet file.

    Raises:
        Problem: unknown-task.
    """
    tasks = _chosen(state, ids, 0, state.size)
    schema = _schema(state)
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, max(len(tasks), 1), _ROW_GROUP):
            part = tasks[start : start + _ROW_GROUP]
            writer.write_table(pa.table(_columns(state, part), schema=schema))


def _chosen(state: RunState, ids: Sequence[str] | None, first: int, last: int) -> IntArray:
    if ids is None:
        last = min(last, state.size)
        return np.arange(min(first, last), last, dtype=np.int64)
    tasks = state.table.find(ids)
    outside = (tasks < 0) | (tasks >= state.size)
    if outside.any():
        error = UnknownTask(ids[int(np.argmax(outside))], state.table.first_ids(state.size))
        raise Problem(UNKNOWN_TASK, f"task: {error.detail}", got=error.name, near=error.near)
    return tasks


def _schema(state: RunState) -> pa.Schema:
    numbers = ("mean", "sd", *state.posterior.of_classes().parameters())
    return pa.schema(
        [
            ("task", pa.string()),
            *((name, pa.float64()) for name in numbers),
            ("selected", pa.int64()),
            ("last_step", pa.int64()),
        ]
    )


def _columns(state: RunState, tasks: IntArray) -> dict[str, list[Any]]:
    marginals = state.posterior.of_tasks(tasks)
    last_step = state.history.last_step(tasks).tolist()
    return {
        "task": state.table.ids(tasks),
        "mean": marginals.mean().tolist(),
        "sd": marginals.sd().tolist(),
        **{name: values.tolist() for name, values in marginals.parameters().items()},
        "selected": state.history.times_selected(tasks).tolist(),
        "last_step": [step if step >= 0 else None for step in last_step],
    }
