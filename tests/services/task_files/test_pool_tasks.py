import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from services.command_line.failures import Failure
from services.task_files.pool_tasks import Census, TaskColumns, TaskFile, content_id, count
from trainer_client import Task

PROMPT = [{"role": "system", "content": "Reason."}, {"role": "user", "content": "1 + 1?"}]
GURU: list[dict[str, Any]] = [
    {
        "data_source": "math__deepscaler",
        "prompt": PROMPT,
        "ability": "math",
        "reward_model": {"ground_truth": "2", "style": "rule"},
        "extra_info": {"index": 7, "split": "train", "tests": [{"inputs": ["1"], "outputs": None}]},
        "apply_chat_template": True,
        "qwen2.5_7b_pass_rate": 0.25,
        "qwen3_30b_pass_rate": 1.0,
    },
    {
        "data_source": "codegen__taco",
        "prompt": None,
        "ability": "codegen",
        "reward_model": None,
        "extra_info": {"index": 8, "split": None, "tests": []},
        "apply_chat_template": None,
        "qwen2.5_7b_pass_rate": None,
        "qwen3_30b_pass_rate": 0.5,
    },
]
GURU_COLUMNS = TaskColumns(
    id="extra_info.index",
    domain="data_source",
    references={"weak": "qwen2.5_7b_pass_rate", "strong": "qwen3_30b_pass_rate"},
)
GURU_TASKS = [
    Task(id="7", domain="math__deepscaler", references={"weak": 0.25, "strong": 1.0}),
    Task(id="8", domain="codegen__taco", references={"strong": 0.5}),
]


def written(folder: Path, suffix: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / f"tasks{suffix}"
    if suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def tasks(path: Path, columns: TaskColumns) -> list[Task]:
    return [task for _, task in TaskFile(path, columns)]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".ndjson", ".JSONL"])
class TestEveryKindOfFile:
    def test_guru_rows_become_tasks(self, tmp_path: Path, suffix: str):
        assert tasks(written(tmp_path, suffix, GURU), GURU_COLUMNS) == GURU_TASKS

    def test_a_file_can_be_gone_through_again(self, tmp_path: Path, suffix: str):
        file = TaskFile(written(tmp_path, suffix, GURU), GURU_COLUMNS)
        assert list(file) == list(file)

    def test_the_last_position_is_the_total(self, tmp_path: Path, suffix: str):
        file = TaskFile(written(tmp_path, suffix, GURU), GURU_COLUMNS)
        positions = [position for position, _ in file]
        assert positions == sorted(positions)
        assert positions[-1] == file.total

    def test_the_id_can_be_made_from_nested_content(self, tmp_path: Path, suffix: str):
        rows = [{"prompt": PROMPT, "n": 1}, {"prompt": [{"role": "user", "content": "é"}], "n": 2}]
        found = tasks(written(tmp_path, suffix, rows), TaskColumns(hashed=["prompt"]))
        assert [task.id for task in found] == [content_id(row["prompt"]) for row in rows]

    def test_the_id_can_be_made_from_several_columns(self, tmp_path: Path, suffix: str):
        columns = TaskColumns(hashed=["prompt", "reward_model.ground_truth"])
        assert tasks(written(tmp_path, suffix, GURU[:1]), columns)[0].id == content_id([PROMPT, "2"])

    def test_a_row_without_content_has_no_id(self, tmp_path: Path, suffix: str):
        with pytest.raises(Failure, match=r"2, column 'prompt': got None\. There is nothing to make"):
            tasks(written(tmp_path, suffix, GURU), TaskColumns(hashed=["prompt"]))

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (1.5, r"got 1\.5\. Input should be less than or equal to 1"),
            (-0.25, r"got -0\.25\. Input should be greater than or equal to 0"),
            (float("nan"), r"got nan\. Input should be a finite number"),
            (float("inf"), r"got inf\. Input should be a finite number"),
        ],
    )
    def test_a_rate_that_is_none_names_row_column_and_value(
        self, tmp_path: Path, suffix: str, value: float, reason: str
    ):
        rows = [{"id": "a", "rate": 0.0}, {"id": "b", "rate": value}]
        with pytest.raises(Failure, match=rf"(row|line) 2, column 'rate': {reason}"):
            tasks(written(tmp_path, suffix, rows), TaskColumns(references={"weak": "rate"}))

    @pytest.mark.parametrize("value", [True, "0.5"])
    def test_a_rate_is_a_number(self, tmp_path: Path, suffix: str, value: object):
        path = written(tmp_path, suffix, [{"id": "a", "rate": value}])
        with pytest.raises(Failure, match=r"1, column 'rate': got (True|'0.5')\. .* valid number"):
            tasks(path, TaskColumns(references={"weak": "rate"}))

    @pytest.mark.parametrize("value", [None, 1.5, True, "", "x" * 257, [1]])
    def test_an_id_is_a_string_or_an_integer(self, tmp_path: Path, suffix: str, value: object):
        rows = [{"id": value, "x": 1}]
        with pytest.raises(Failure, match=r"1, column 'id': got .{1,90}\. \w+"):
            tasks(written(tmp_path, suffix, rows), TaskColumns())

    def test_an_unknown_column_is_named_with_those_there_are(self, tmp_path: Path, suffix: str):
        path = written(tmp_path, suffix, [{"id": "a", "rate": 0.5}])
        with pytest.raises(Failure, match=r"no column 'rat'; it has id, rate"):
            tasks(path, TaskColumns(references={"weak": "rat"}))

    def test_a_column_whose_name_is_dotted_goes_before_a_nested_one(self, tmp_path: Path, suffix: str):
        rows = [{"a.b": "flat", "a": {"b": "nested", "c.d": "half"}}]
        path = written(tmp_path, suffix, rows)
        assert tasks(path, TaskColumns(id="a.b"))[0].id == "flat"
        assert tasks(path, TaskColumns(id="a.c.d"))[0].id == "half"


class TestParquet:
    def test_columns_of_any_type_are_left_alone(self, tmp_path: Path):
        table = pa.table(
            {
                "id": pa.array([1, 2], pa.uint64()),
                "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())),
                "when": pa.array([0, None], pa.timestamp("ns", "UTC")),
                "name": pa.array(["x", "y"]).dictionary_encode(),
                "bytes": pa.array([b"\xff", None]),
            }
        )
        parquet.write_table(table, tmp_path / "tasks.parquet")
        found = tasks(tmp_path / "tasks.parquet", TaskColumns(domain="name"))
        assert found == [Task(id="1", domain="x"), Task(id="2", domain="y")]

    def test_rows_are_numbered_across_row_groups(self, tmp_path: Path):
        rates = [0.5] * 5000 + [2.0]
        table = pa.table({"id": [f"task-{i}" for i in range(5001)], "rate": rates})
        parquet.write_table(table, tmp_path / "tasks.parquet", row_group_size=700)
        with pytest.raises(Failure, match=r"row 5001, column 'rate': got 2\.0"):
            tasks(tmp_path / "tasks.parquet", TaskColumns(references={"weak": "rate"}))

    def test_content_without_a_json_form_has_no_hash(self, tmp_path: Path):
        path = written(tmp_path, ".parquet", [{"prompt": b"bytes"}])
        with pytest.raises(Failure, match=r"row 1, column 'prompt': got b'bytes'\. It has no JSON form"):
            tasks(path, TaskColumns(hashed=["prompt"]))

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet", b"PAR1" + b"\xff" * 40 + b"PAR1"])
    def test_what_is_not_parquet_is_said(self, tmp_path: Path, content: bytes):
        path = tmp_path / "tasks.parquet"
        path.write_bytes(content)
        with pytest.raises(Failure, match=r"tasks\.parquet: not readable as Parquet"):
            TaskFile(path, TaskColumns())

    def test_a_file_that_was_cut_out_of_the_middle_is_said(self, tmp_path: Path):
        path = written(tmp_path, ".parquet", [{"id": f"task-{i}"} for i in range(1000)])
        content = bytearray(path.read_bytes())
        content[4:2000] = b"\xff" * 1996
        path.write_bytes(content)
        with pytest.raises(Failure, match=r"tasks\.parquet: not readable as Parquet"):
            tasks(path, TaskColumns())


class TestJsonLines:
    def test_empty_lines_are_skipped_and_counted(self, tmp_path: Path):
        path = tmp_path / "tasks.jsonl"
        path.write_text('\n{"id": "a"}\n   \n{"id": 1.5}')
        with pytest.raises(Failure, match=r"line 4, column 'id'"):
            tasks(path, TaskColumns())

    def test_a_row_may_lack_an_optional_column(self, tmp_path: Path):
        path = tmp_path / "tasks.jsonl"
        path.write_text('{"id": "a"}\n{"id": "b", "domain": "d", "references": {"weak": 0}}\n')
        columns = TaskColumns(domain="domain", references={"weak": "references.weak"})
        assert tasks(path, columns) == [Task(id="a"), Task(id="b", domain="d", references={"weak": 0.0})]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b"{", "not JSON"),
            (b'{"id": "\xff"}', "not JSON"),
            (b"[" * 200_000, "not JSON"),
            (b'["a"]', "got a JSON list; give an object a line"),
        ],
    )
    def test_a_line_that_is_no_object_is_named(self, tmp_path: Path, line: bytes, reason: str):
        path = tmp_path / "tasks.jsonl"
        path.write_bytes(b'{"id": "a"}\n' + line)
        with pytest.raises(Failure, match=rf"tasks\.jsonl, line 2: {reason}"):
            tasks(path, TaskColumns())

    def test_half_a_character_is_no_id(self, tmp_path: Path):
        path = tmp_path / "tasks.jsonl"
        path.write_text('{"id": "\\ud800"}\n')
        with pytest.raises(Failure, match=r"line 1, column 'id'"):
            tasks(path, TaskColumns())


def test_another_suffix_is_a_mistake(tmp_path: Path):
    with pytest.raises(Failure, match=r"got 'tasks\.csv'; .* one of \.parquet, \.jsonl, \.ndjson"):
        TaskFile(tmp_path / "tasks.csv", TaskColumns())


def test_a_content_id_is_the_start_of_a_documented_hash():
    value = {"b": [1, 2.5, None], "a": "é"}
    canonical = b'{"a":"\\u00e9","b":[1,2.5,null]}'
    assert content_id(value) == sha256(canonical).hexdigest()[:32]
    assert content_id(dict(reversed(value.items()))) == content_id(value)


def test_counting_tells_repeated_ids():
    assert count(Task(id=name) for name in ["a", "b", "a", "c", "a"]) == Census(rows=5, repeated=2)
    assert count(iter([])) == Census(rows=0, repeated=0)
