import csv
import gzip
import json
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pyarrow as pa
import pytest
from pyarrow import parquet

from services.command_line.failures import Failure
from services.task_files.pool_tasks import TaskColumns, TaskFile, content_id, joined
from services.task_files.scales import scales_of
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
    elif suffix.startswith(".json") and not suffix.startswith(".jsonl"):
        path.write_bytes(packed(suffix, json.dumps(rows, indent=1).encode()))
    else:
        path.write_bytes(packed(suffix, "".join(json.dumps(row) + "\n" for row in rows).encode()))
    return path


def packed(suffix: str, content: bytes) -> bytes:
    return gzip.compress(content) if suffix.endswith(".gz") else content


def written_csv(folder: Path, rows: list[list[Any]], suffix: str = ".csv") -> Path:
    text = folder / "text"
    with text.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    path = folder / f"tasks{suffix}"
    path.write_bytes(packed(suffix, text.read_bytes()))
    return path


def tasks(path: Path, columns: TaskColumns) -> list[Task]:
    return [task for _, task in TaskFile(path, columns)]


@pytest.mark.parametrize(
    "suffix", [".parquet", ".jsonl", ".ndjson", ".JSONL", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz"]
)
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
            (1.5, r"got 1\.5\. It must be at most 1"),
            (-0.25, r"got -0\.25\. It must be at least 0"),
            (float("inf"), r"got inf\. It must be a finite number"),
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
        with pytest.raises(Failure, match=r"1, column 'rate': got (True|'0.5')\. It must be a number"):
            tasks(path, TaskColumns(references={"weak": "rate"}))

    @pytest.mark.parametrize("value", [None, 1.5, True, "", "x" * 257, [1]])
    def test_an_id_is_a_string_or_an_integer(self, tmp_path: Path, suffix: str, value: object):
        rows = [{"id": value, "x": 1}]
        with pytest.raises(Failure, match=r"1, column 'id': got .{1,90}\. \w+"):
            tasks(written(tmp_path, suffix, rows), TaskColumns())

    def test_what_was_not_measured_is_null_or_not_a_number(self, tmp_path: Path, suffix: str):
        rows = [{"id": "a", "rate": 0.5}, {"id": "b", "rate": None}, {"id": "c", "rate": float("nan")}]
        columns = TaskColumns(references={"weak": "rate"})
        found = tasks(written(tmp_path, suffix, rows), columns)
        assert [task.references for task in found] == [{"weak": 0.5}, {}, {}]

    def test_a_count_without_a_scale_is_refused_with_how_to_say_it(self, tmp_path: Path, suffix: str):
        path = written(tmp_path, suffix, [{"id": "a", "rate": 1}, {"id": "b", "rate": 16}])
        with pytest.raises(Failure, match=r"2, column 'rate': got 16\. .* --scale .*failures/N"):
            tasks(path, TaskColumns(references={"weak": "rate"}))

    @pytest.mark.parametrize(("value", "scale"), [("3/8", "fraction"), ("37.5%", "percent")])
    def test_text_is_refused_with_the_scale_that_reads_it(
        self, tmp_path: Path, suffix: str, value: str, scale: str
    ):
        path = written(tmp_path, suffix, [{"id": "a", "rate": value}])
        references = {"weak": "rate"}
        with pytest.raises(Failure, match=rf"1, column 'rate': got '{value}'\. .* --scale {scale} reads it"):
            tasks(path, TaskColumns(references=references))
        columns = TaskColumns(references=references, scales=scales_of(scale, {}, references))
        assert tasks(path, columns)[0].references == {"weak": 0.375}

    def test_each_reference_may_have_a_scale_of_its_own(self, tmp_path: Path, suffix: str):
        path = written(tmp_path, suffix, [{"id": "a", "fails": 12, "rate": 0.5, "right": 2}])
        references = {"weak": "fails", "strong": "rate", "other": "right"}
        scales = scales_of(None, {"weak": "failures/16", "other": "successes/8"}, references)
        columns = TaskColumns(references=references, scales=scales)
        assert tasks(path, columns)[0].references == {"weak": 0.25, "strong": 0.5, "other": 0.25}

    def test_a_value_beyond_its_scale_is_refused(self, tmp_path: Path, suffix: str):
        path = written(tmp_path, suffix, [{"id": "a", "fails": 16}, {"id": "b", "fails": 17}])
        references = {"weak": "fails"}
        columns = TaskColumns(references=references, scales=scales_of("failures/16", {}, references))
        with pytest.raises(
            Failure, match=r"2, column 'fails': got 17\. By its scale, failures/16, .* 0 to 16"
        ):
            tasks(path, columns)

    def test_several_columns_make_an_id(self, tmp_path: Path, suffix: str):
        rows = [{"source": "openai/gsm8k", "extra": {"index": i}} for i in (0, 17)]
        columns = TaskColumns(id="source,extra.index", prefix="train-")
        found = tasks(written(tmp_path, suffix, rows), columns)
        assert [task.id for task in found] == ["train-openai/gsm8k/0", "train-openai/gsm8k/17"]

    @pytest.mark.parametrize("index", [None, 1.5, True, ""])
    def test_each_part_of_an_id_is_text_or_an_integer(self, tmp_path: Path, suffix: str, index: object):
        path = written(tmp_path, suffix, [{"source": "a", "index": index}])
        with pytest.raises(Failure, match=r"1, column 'index': got .*\. (An id (is|has)|There is no id)"):
            tasks(path, TaskColumns(id="source,index"))

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

    def test_fields_of_structs_may_have_dots_in_their_names(self, tmp_path: Path):
        rows = [{"id": "a", "info": {"difficulty": {"distill-1.5B": 0.5, "x": 1}}}]
        path = written(tmp_path, ".parquet", rows)
        columns = TaskColumns(references={"m": "info.difficulty.distill-1.5B"})
        assert tasks(path, columns)[0].references == {"m": 0.5}
        with pytest.raises(Failure, match=r"no column 'info\.difficulty\.distill-1'"):
            TaskFile(path, TaskColumns(references={"m": "info.difficulty.distill-1"}))

    @pytest.mark.parametrize("kind", [pa.uuid(), pa.binary(16)], ids=str)
    def test_uuids_are_ids(self, tmp_path: Path, kind: pa.DataType):
        table = pa.table({"id": pa.array([UUID(int=7).bytes], kind)})
        parquet.write_table(table, tmp_path / "tasks.parquet")
        (task,) = tasks(tmp_path / "tasks.parquet", TaskColumns())
        assert task.id == "00000000-0000-0000-0000-000000000007"

    def test_rates_may_be_decimals(self, tmp_path: Path):
        table = pa.table({"id": ["a", "b"], "rate": pa.array([Decimal("0.25"), None])})
        parquet.write_table(table, tmp_path / "tasks.parquet")
        found = tasks(tmp_path / "tasks.parquet", TaskColumns(references={"m": "rate"}))
        assert [task.references for task in found] == [{"m": 0.25}, {}]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
class TestCsv:
    def test_rows_become_tasks(self, tmp_path: Path, suffix: str):
        header = ["id", "subject", "rate", "text"]
        rows = [["007", "code, hard", "0.5", 'two\n"lines"'], ["2", "", "", ""], ["3", "math", "nan", ""]]
        path = written_csv(tmp_path, [header, *rows], suffix)
        assert tasks(path, TaskColumns(domain="subject", references={"weak": "rate"})) == [
            Task(id="007", domain="code, hard", references={"weak": 0.5}),
            Task(id="2"),
            Task(id="3", domain="math"),
        ]

    def test_a_scale_reads_its_text(self, tmp_path: Path, suffix: str):
        path = written_csv(tmp_path, [["id", "fails"], ["a", "12"], ["b", ""]], suffix)
        references = {"weak": "fails"}
        columns = TaskColumns(references=references, scales=scales_of("failures/16", {}, references))
        assert [task.references for task in tasks(path, columns)] == [{"weak": 0.25}, {}]

    @pytest.mark.parametrize("value", ["x", "1.5", "3/8"])
    def test_what_is_no_rate_names_its_line(self, tmp_path: Path, suffix: str, value: str):
        path = written_csv(tmp_path, [["id", "rate"], ["two\nlines", "1"], ["b", value]], suffix)
        with pytest.raises(Failure, match=rf"line 4, column 'rate': got '{value}'"):
            tasks(path, TaskColumns(references={"weak": "rate"}))

    def test_a_row_of_another_length_is_named(self, tmp_path: Path, suffix: str):
        path = written_csv(tmp_path, [["id", "rate"], ["a", "1"], ["b"]], suffix)
        with pytest.raises(Failure, match=r"line 3: got 1 cells, and the header has 2"):
            tasks(path, TaskColumns())

    def test_two_columns_of_one_name_are_refused(self, tmp_path: Path, suffix: str):
        path = written_csv(tmp_path, [["id", "id"], ["a", "b"]], suffix)
        with pytest.raises(Failure, match=r"two columns are named 'id'"):
            tasks(path, TaskColumns())

    def test_an_unknown_column_is_named(self, tmp_path: Path, suffix: str):
        path = written_csv(tmp_path, [["name"], ["a"]], suffix)
        with pytest.raises(Failure, match=r"no column 'id'; it has name"):
            tasks(path, TaskColumns())


def test_a_csv_may_have_long_cells_and_a_byte_order_mark(tmp_path: Path):
    path = tmp_path / "tasks.csv"
    path.write_bytes(b"\xef\xbb\xbfid,tests\r\na," + b"x" * 1_000_000 + b"\r\n")
    assert tasks(path, TaskColumns()) == [Task(id="a")]


@pytest.mark.parametrize("content", [b'id\n"a', b"id\n\xff"])
def test_what_is_no_csv_is_said(tmp_path: Path, content: bytes):
    path = tmp_path / "tasks.csv"
    path.write_bytes(content)
    with pytest.raises(Failure, match=r"tasks\.csv, line \d: not CSV"):
        tasks(path, TaskColumns())


class TestJsonArrays:
    def test_rows_longer_than_what_is_read_at_once_are_whole(self, tmp_path: Path):
        rows = [{"id": i, "tests": "x" * (100_000 + i)} for i in range(5)]
        found = tasks(written(tmp_path, ".json", rows), TaskColumns())
        assert [task.id for task in found] == ["0", "1", "2", "3", "4"]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("", "after row 0: it ends too early"),
            (
                '{"id": "a"}',
                r"after row 0: got '\{' in the place of \[; a file of one object a line is a \.jsonl",
            ),
            ('[{"id": "a"} {"id": "b"}]', "after row 1: got '{' in the place of"),
            ('[{"id": "a"}, {"id": ]', "after row 1: "),
            ('[{"id": "a"},', "after row 1: it ends too early"),
        ],
    )
    def test_what_is_none_is_said(self, tmp_path: Path, content: str, reason: str):
        path = tmp_path / "tasks.json"
        path.write_text(content)
        with pytest.raises(Failure, match=rf"tasks\.json: not a JSON array {reason}"):
            tasks(path, TaskColumns())

    def test_an_element_that_is_no_object_is_named(self, tmp_path: Path):
        path = tmp_path / "tasks.json"
        path.write_text('[{"id": "a"}, 5]')
        with pytest.raises(Failure, match=r"row 2: got a JSON int; give an object"):
            tasks(path, TaskColumns())

    def test_an_empty_one_has_no_tasks(self, tmp_path: Path):
        path = tmp_path / "tasks.json"
        path.write_text(" [ ] ")
        assert tasks(path, TaskColumns()) == []


def test_what_is_not_gzip_is_said(tmp_path: Path):
    path = tmp_path / "tasks.jsonl.gz"
    for content in (b'{"id": "a"}', gzip.compress(b'{"id": "a"}' * 1000)[:-20]):
        path.write_bytes(content)
        with pytest.raises(Failure, match=r"tasks\.jsonl\.gz: not readable as gzip"):
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
            (b'["a"]', "got a JSON list; give an object for each task"),
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
    for name in ("tasks.tsv", "tasks.parquet.gz", "tasks.gz"):
        with pytest.raises(Failure, match=rf"got '{name}'; .* one of \.parquet, \.jsonl, \.ndjson"):
            TaskFile(tmp_path / name, TaskColumns())


def test_a_content_id_is_the_start_of_a_documented_hash():
    value = {"b": [1, 2.5, None], "a": "é"}
    canonical = b'{"a":"\\u00e9","b":[1,2.5,null]}'
    assert content_id(value) == sha256(canonical).hexdigest()[:32]
    assert content_id(dict(reversed(value.items()))) == content_id(value)


def test_joined_columns_can_be_told_apart_again():
    assert joined(["gsm8k", "17"]) == "gsm8k/17"
    rows = [["a/b", "c"], ["a", "b/c"], ["a", "b%2Fc"], ["a%2Fb", "c"]]
    ids = [joined(row) for row in rows]
    assert ids == ["a/b/c", "a/b%2Fc", "a/b%252Fc", "a%2Fb/c"]
    assert [[id_.rpartition("/")[0], unquote(id_.rpartition("/")[2])] for id_ in ids] == rows
