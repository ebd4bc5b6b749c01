from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.command_line.failures import Failure
from services.reference_eval import result
from services.reference_eval.config import ReferenceEvaluation
from services.task_files.tasks import read_tasks
from tests.services.reference_eval.settings import evaluation

RATES = {"a": 0.25, "b": 1.0, "c": 0.0}


def config_of(file: Path, **changes: Any) -> ReferenceEvaluation:
    tasks = {"file": str(file), **changes.pop("tasks", {})}
    return evaluation(file.parent, Path("model"), tasks=tasks, **changes)


def json_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_parquet_file_keeps_its_rows_types_and_row_groups(tmp_path: Path):
    schema = pa.schema(
        [
            ("id", pa.large_string()),
            pa.field("index", pa.int32(), nullable=False),
            ("kind", pa.dictionary(pa.int32(), pa.string())),
            ("prompt", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
            ("seen", pa.timestamp("us", tz="UTC")),
        ],
        metadata={"made by": "a test"},
    )
    rows = [
        {
            "id": name,
            "index": index,
            "kind": "x",
            "prompt": [{"role": "user", "content": name}],
            "seen": index,
        }
        for index, name in enumerate("abcab")
    ]
    with pq.ParquetWriter(tmp_path / "tasks.parquet", schema) as writer:
        for part in (rows[:3], rows[3:]):
            writer.write_table(pa.Table.from_pylist(part, schema))
    result.write(config_of(tmp_path / "tasks.parquet"), RATES)
    written = pq.ParquetFile(tmp_path / "result.parquet")
    table = written.read()
    assert table.drop_columns("tiny_pass_rate") == pq.read_table(tmp_path / "tasks.parquet")
    before = pq.read_schema(tmp_path / "tasks.parquet")
    assert written.schema_arrow.remove(5).equals(before, check_metadata=True)
    assert table["tiny_pass_rate"].to_pylist() == [0.25, 1.0, 0.0, 0.25, 1.0]
    assert written.schema_arrow.field("tiny_pass_rate").type == pa.float64()
    assert [written.metadata.row_group(number).num_rows for number in range(2)] == [3, 2]


def test_a_row_whose_task_is_not_measured_has_null(tmp_path: Path):
    pq.write_table(pa.table({"id": ["a", "z"]}), tmp_path / "tasks.parquet")
    result.write(config_of(tmp_path / "tasks.parquet", column="rate"), RATES)
    assert pq.read_table(tmp_path / "result.parquet")["rate"].to_pylist() == [0.25, None]


def test_json_lines_become_columns_and_what_has_no_one_type_stays_json_text(tmp_path: Path):
    rows = [
        {
            "id": "a",
            "prompt": "one",
            "answer": {"x": 1},
            "rate": 0,
            "level": 1,
            "info": {"tags": ["new"]},
            "none": {},
            "big": 2**70,
        },
        {"id": "b", "prompt": "two", "answer": {"y": 2}, "rate": 0.5, "level": "hard", "info": {"tags": []}},
    ]
    config = config_of(json_lines(tmp_path / "tasks.jsonl", rows))
    result.write(config, RATES)
    assert pq.read_table(tmp_path / "result.parquet").to_pylist() == [
        {
            **rows[0],
            "answer": '{"x": 1}',
            "level": "1",
            "none": "{}",
            "big": str(2**70),
            "tiny_pass_rate": 0.25,
        },
        {
            **rows[1],
            "answer": '{"y": 2}',
            "level": '"hard"',
            "none": None,
            "big": None,
            "tiny_pass_rate": 1.0,
        },
    ]


def test_the_result_of_json_lines_holds_the_same_tasks(tmp_path: Path):
    rows = [
        {"about": {"subject": "math"}, "prompt": [{"role": "user", "content": prompt}], "answer": prompt}
        for prompt in ("one", "two")
    ]
    changes = {"id": None, "id_from_hash": ["prompt", "answer"], "domain": "about.subject"}
    config = config_of(json_lines(tmp_path / "tasks.jsonl", rows))
    source = config.tasks.model_copy(update=changes)
    result.write(config.model_copy(update={"tasks": source}), {})
    again = source.model_copy(update={"file": config.output})
    assert read_tasks(again) == read_tasks(source)


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        ([{"id": "a", "prompt": "x", "answer": 1}, {"id": "b", "prompt": "x", "answer": "2"}], "answer"),
        ([{"id": "a", "prompt": "x", "answer": 1}, {"id": 2, "prompt": "x", "answer": 1}], "id"),
    ],
)
def test_json_lines_that_would_become_other_tasks_are_refused(
    tmp_path: Path, rows: list[dict[str, Any]], column: str
):
    config = config_of(json_lines(tmp_path / "tasks.jsonl", rows))
    with pytest.raises(Failure, match=rf"tasks\.jsonl, column '{column}': its values have no one type"):
        result.check(config)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, suffix: str):
    with pytest.raises(Failure, match=rf"nothing\.{suffix}: .*No such file"):
        result.check(config_of(tmp_path / f"nothing.{suffix}"))


def test_a_row_beyond_the_limit_is_looked_at_too(tmp_path: Path):
    rows = [{"id": "a", "prompt": "x", "answer": "y"}, {"id": "", "prompt": "x", "answer": "y"}]
    config = config_of(json_lines(tmp_path / "tasks.jsonl", rows), tasks={"limit": 1})
    with pytest.raises(Failure, match="line 2, column 'id': got ''"):
        result.check(config)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_a_column_that_is_there_already_is_refused(tmp_path: Path, suffix: str):
    file = tmp_path / f"tasks.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table({"id": ["a"], "tiny_pass_rate": [0.5]}), file)
    else:
        json_lines(file, [{"id": "a", "tiny_pass_rate": 0.5}])
    with pytest.raises(Failure, match="has a column 'tiny_pass_rate' already"):
        result.check(config_of(file))
