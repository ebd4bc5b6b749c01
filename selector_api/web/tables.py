"""The tasks of a pool, as a page of JSON or a Parquet file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from typing import Any

import numpy as np
import pyarrow as pa

from selector_api.core.arrays import IntArray
from selector_api.core.tasks import TaskTable
from selector_api.store.arrow_columns import array_of, dictionary_of

_ROW_GROUP = 100_000
_SCHEMA = pa.schema(
    [("id", pa.string()), ("domain", pa.string()), ("references", pa.map_(pa.string(), pa.float64()))]
)


def tasks_page(table: TaskTable, retired: Set[str], first: int, limit: int) -> bytes:
    """A page as JSON: so many tasks from index `first` on."""
    tasks = np.arange(min(first, len(table)), min(first + limit, len(table)))
    rows = _rows(table, tasks)
    for row in rows:
        if row["id"] in retired:
            row["retired"] = True
    following = first + limit
    return json.dumps({"tasks": rows, "next": str(following) if following < len(table) else None}).encode()


def all_tasks(table: TaskTable) -> Iterator[pa.Table]:
    """All tasks, many at a time; where there are none, a table without any."""
    for start in range(0, max(len(table), 1), _ROW_GROUP):
        tasks = np.arange(start, min(start + _ROW_GROUP, len(table)))
        domains = dictionary_of(table.domains, table.domain_codes[tasks]).cast(pa.string())
        ids = array_of(table.texts.slice(start, start + len(tasks)))
        yield pa.table([ids, domains, maps_of(table, tasks)], schema=_SCHEMA)


def maps_of(table: TaskTable, tasks: IntArray) -> pa.MapArray:
    """Of each of these tasks the pass rates that were measured, by reference, for Arrow."""
    names = sorted(table.reference_names)
    rates = np.array([table.reference(name)[tasks] for name in names]).reshape(len(names), len(tasks)).T
    known = ~np.isnan(rates)
    offsets = np.concatenate([[0], np.cumsum(known.sum(axis=1))]).astype(np.int32)
    keys = pa.array(names, pa.string()).take(pa.array(np.nonzero(known)[1]))
    return pa.MapArray.from_arrays(pa.array(offsets), keys, pa.array(rates[known]))


def references_of(table: TaskTable, tasks: IntArray) -> list[dict[str, float]]:
    """Of each of these tasks the pass rates that were measured, by reference."""
    columns = {name: table.reference(name)[tasks].tolist() for name in sorted(table.reference_names)}
    return [
        {name: rates[row] for name, rates in columns.items() if rates[row] == rates[row]}
        for row in range(len(tasks))
    ]


def domains_of(table: TaskTable, tasks: IntArray) -> list[str]:
    """The domain of each of these tasks."""
    return [table.domains[code] for code in table.domain_codes[tasks].tolist()]


def _rows(table: TaskTable, tasks: IntArray) -> list[dict[str, Any]]:
    columns = (table.ids(tasks), domains_of(table, tasks), references_of(table, tasks))
    return [
        {"id": id_, "domain": domain, "references": references}
        for id_, domain, references in zip(*columns, strict=True)
    ]
