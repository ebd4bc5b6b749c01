"""Posteriors of many tasks as columns, rows or a Parquet file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from selector_api.core.arrays import IntArray
from selector_api.core.state import RunState

PAGE = 10_000
"""Tasks a page of JSON."""

_SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("mean", pa.float64()),
        ("sd", pa.float64()),
        ("alpha", pa.float64()),
        ("beta", pa.float64()),
        ("selected", pa.int64()),
        ("last_step", pa.int64()),
    ]
)


def span(first: int, last: int) -> IntArray:
    """The task indices from `first` up to `last`, none if there are none."""
    return np.arange(first, max(first, last), dtype=np.int64)


def columns(state: RunState, tasks: IntArray) -> dict[str, list[Any]]:
    """One list a column, in the order of `tasks`."""
    marginals = state.posterior.of_tasks(tasks)
    own = marginals.parameters()
    last_step = state.history.last_step(tasks).tolist()
    return {
        "task": state.table.ids(tasks),
        "mean": marginals.mean().tolist(),
        "sd": marginals.sd().tolist(),
        **{
            name: own[name].tolist() if name in own else [None] * len(tasks) for name in ("alpha", "beta")
        },
        "selected": state.history.times_selected(tasks).tolist(),
        "last_step": [step if step >= 0 else None for step in last_step],
    }


def rows(table: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """The columns as one dict a row."""
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def write_parquet(table: dict[str, list[Any]], path: str) -> None:
    """The columns as a Parquet file."""
    pq.write_table(pa.table(table, schema=_SCHEMA), path)
