"""A file's tasks by columns are those that its rows give one by one, and what is wrong is said by these."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.command_line.failures import Failure
from services.task_files import pool_tasks
from services.task_files.pool_tasks import TaskColumns, TaskFile
from services.task_files.scales import Scale
from services.task_files.task_batch import TaskBatch
from trainer_client import Task

names = st.text(st.sampled_from("ab/%ü"), min_size=1, max_size=3)
id_columns = st.one_of(
    st.lists(names, min_size=1, max_size=6),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6),
    st.lists(st.uuids(), min_size=1, max_size=6),
    st.lists(st.one_of(names, st.integers(0, 3), st.none()), min_size=1, max_size=6),
)
numbers = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 0.1, 0.5, 1.0, float("nan")]))
counts = st.one_of(st.none(), st.integers(0, 8))
wrong = st.sampled_from([-0.5, 1.5, float("inf")])
scales = st.sampled_from([None, Scale("percent", 100), Scale("successes", 8), Scale("failures", 8)])


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]], TaskColumns]:
    ids = draw(id_columns)
    scale = draw(scales)
    rates = (
        counts
        if scale is not None
        else st.one_of(numbers, wrong)
        if draw(st.integers(0, 7)) == 0
        else numbers
    )
    rows = [
        {"id": each, "part": draw(names), "kind": draw(st.one_of(st.none(), names)), "rate": draw(rates)}
        for each in ids
    ]
    suffix = draw(st.sampled_from([".parquet", ".jsonl", ".csv"]))
    columns = TaskColumns(
        id=draw(st.sampled_from(["id", "id,part", "part,id"])),
        prefix=draw(st.sampled_from(["", "p-"])),
        domain=draw(st.sampled_from([None, "kind"])),
        references=draw(st.sampled_from([{}, {"weak": "rate"}])),
        scales={} if scale is None else {"weak": scale},
    )
    return suffix, rows, columns


def written(folder: str, suffix: str, rows: list[dict[str, Any]]) -> Path:
    path = Path(folder, f"tasks{suffix}")
    if suffix == ".parquet":
        ids = [row["id"].bytes if isinstance(row["id"], UUID) else row["id"] for row in rows]
        kinds = {type(each) for each in ids}
        if kinds == {bytes}:
            column = pa.array(ids, pa.binary(16))
        else:  # a column of Parquet has values of one type
            column = pa.array(
                ids if len(kinds) == 1 else [None if each is None else str(each) for each in ids]
            )
        others = {name: [row[name] for row in rows] for name in ("part", "kind", "rate")}
        pq.write_table(pa.table({"id": column, **others}), path)
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


def told(batches: list[TaskBatch]) -> list[Task]:
    return [batch.task(row) for batch in batches for row in range(len(batch))]


def outcome(read: Callable[[], list[Task]]) -> list[Task] | str:
    try:
        return read()
    except Failure as failure:
        return str(failure)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(file=files())
def test_columns_tell_what_rows_tell(file: tuple[str, list[dict[str, Any]], TaskColumns]) -> None:
    suffix, rows, columns = file
    with tempfile.TemporaryDirectory() as folder:
        tasks = TaskFile(written(folder, suffix, rows), columns)
        expected = outcome(lambda: [task for _, task in tasks])
        assert outcome(lambda: told(list(tasks.batches()))) == expected
        if isinstance(expected, list):
            assert list(tasks.batches())[-1].position == tasks.total


def test_plain_rows_are_not_taken_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": 1, "kind": "x", "meta": {"rate": 0.5}}, {"id": 2, "kind": None, "meta": {"rate": None}}]
    columns = TaskColumns(domain="kind", references={"weak": "meta.rate"})
    monkeypatch.setattr(pool_tasks.TaskFile, "_task", None)
    tasks = [Task(id="1", domain="x", references={"weak": 0.5}), Task(id="2")]
    path = tmp_path / "tasks.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert told(list(TaskFile(path, columns).batches())) == tasks
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert told(list(TaskFile(path, columns).batches())) == tasks
