from __future__ import annotations

import io
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selector_api.web import parquet_rows
from selector_api.web.problems import Problem
from selector_api.web.task_bodies import PARQUET, read_tasks

RATES = pa.map_(pa.string(), pa.float64())


def file_of(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def refusal(table: pa.Table) -> Problem:
    with pytest.raises(Problem) as caught:
        read_tasks(PARQUET, file_of(table))
    return caught.value


def test_nulls_are_absent_values() -> None:
    table = pa.table(
        {
            "references": [{"weak": 0.5, "strong": None}, None, {"weak": None, "strong": None}],
            "domain": ["math", None, None],
            "id": ["a", "b", None],
        }
    )
    assert list(parquet_rows.slices_of_rows(file_of(table), 2)) == [
        [{"id": "a", "domain": "math", "references": {"weak": 0.5}}, {"id": "b"}],
        [{"references": {}}],
    ]


UUIDS = [UUID(int=number) for number in (1, 2**127)]


@pytest.mark.parametrize(
    "column",
    [
        *(
            pa.array([3, 17], pa.type_for_alias(f"{sign}int{bits}"))
            for sign in ("", "u")
            for bits in (8, 16, 32, 64)
        ),
        pa.array([3, 17]).dictionary_encode(),
        pa.array([UUIDS[0].bytes, UUIDS[1].bytes], pa.uuid()),
        pa.array([UUIDS[0].bytes, UUIDS[1].bytes], pa.binary(16)),
        pa.array([str(UUIDS[0]), str(UUIDS[1])]),
        pa.array([str(UUIDS[0]), str(UUIDS[1])], pa.large_string()),
        pa.array([str(UUIDS[0]), str(UUIDS[1])], pa.string_view()),
    ],
    ids=lambda column: str(column.type),
)
@pytest.mark.parametrize("schema_of_arrow", [True, False])
def test_numbers_and_uuids_are_taken_as_their_text(column: pa.Array, schema_of_arrow: bool) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"id": column, "domain": column}), file, store_schema=schema_of_arrow)
    rows = read_tasks(PARQUET, file.getvalue())
    expected = ["3", "17"] if "int" in str(column.type) else [str(uuid) for uuid in UUIDS]
    assert [(id_, domain) for id_, domain, _ in rows.told()] == [(each, each) for each in expected]


def test_a_number_keeps_all_its_digits() -> None:
    largest = pa.table({"id": pa.array([0, 2**64 - 1], pa.uint64())})
    assert read_tasks(PARQUET, file_of(largest)).ids.tolist() == ["0", "18446744073709551615"]
    assert read_tasks(PARQUET, file_of(pa.table({"id": [-(2**63)]}))).ids.tolist() == ["-9223372036854775808"]


@pytest.mark.parametrize(
    ("references", "detail"),
    [
        (pa.array([{"weak": 2.0}, None]), "row 0.references.weak: "),
        (pa.array([None, {"weak": float("nan")}]), "row 1.references.weak: "),
        (pa.array([None, [("weak", -0.5)]], RATES), "row 1.references.weak: "),
        (pa.nulls(2), "row 1.id: "),
    ],
)
def test_a_wrong_cell_is_named(references: pa.Array, detail: str) -> None:
    problem = refusal(pa.table({"id": ["a", None], "references": references}))
    assert problem.kind.code == "invalid-request"
    assert detail in problem.detail


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"id": ["a"], "difficulty": [1]}),
        pa.table({"domain": ["a"]}),
        pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["id", "id"]),
        pa.table({"id": [1.5]}),
        pa.table({"id": [True]}),
        pa.table({"id": [b"a"]}),
        pa.table({"id": ["a"], "references": [[0.5]]}),
        pa.table({"id": ["a"], "references": ["ab"]}),
        pa.table({"id": ["a"], "references": [{"weak": "0.5"}]}),
        pa.table({"id": pa.array([b"\xff"]).view(pa.string())}),
        pa.table({"id": ["a"], "references": pa.array([[("weak", 0.1), ("weak", 0.2)]], RATES)}),
    ],
    ids=[
        "unknown column",
        "no id",
        "two ids",
        "fraction as id",
        "truth as id",
        "bytes as id",
        "list as references",
        "text as references",
        "text as rate",
        "not UTF-8",
        "a reference twice",
    ],
)
def test_a_file_of_another_form_is_refused(table: pa.Table) -> None:
    problem = refusal(table)
    assert (problem.kind.code, problem.detail[:6]) == ("invalid-parquet", "body: ")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (pa.table({"domain": ["a"]}), "there is no column 'id'"),
        (pa.table({"id": ["a"], "difficulty": [1]}), "column 'difficulty' is none of a task's"),
        (pa.table({"id": [1.5]}), "column 'id' is of type double"),
        (pa.table({"id": ["a"], "domain": [["math"]]}), "column 'domain' is of type list"),
        (pa.table({"id": ["a"], "references": [{"weak": "x"}]}), "column 'references' is of type struct"),
    ],
)
def test_the_column_that_is_wrong_is_named(table: pa.Table, told: str) -> None:
    assert refusal(table).detail.startswith(f"body: {told}; the columns are id and domain")


def test_a_file_that_is_cut_short_is_told_from_one_that_is_broken() -> None:
    whole = file_of(pa.table({"id": [f"task-{number}" for number in range(1000)]}))
    middle = len(whole) // 2
    broken = whole[:middle] + bytes(64) + whole[middle + 64 :]
    for body, told in ((whole[:middle], "a Parquet file that is cut short"), (broken, "not a readable")):
        with pytest.raises(Problem) as caught:
            read_tasks(PARQUET, body)
        assert caught.value.detail.startswith(f"body: {told}")


@pytest.mark.parametrize("where", ["id", "domain", "references"])
def test_one_long_text_for_many_rows_is_refused_before_it_is_unpacked(where: str) -> None:
    rows, long = 20_000, "x" * (1 << 20)
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([long]))
    columns: dict[str, pa.Array] = {"id": pa.array(["a"] * rows)}
    if where == "references":
        offsets = pa.array(range(rows + 1), pa.int32())
        columns[where] = pa.MapArray.from_arrays(offsets, repeated, pa.array([0.5] * rows))
    else:
        columns[where] = repeated
    assert "256 characters" in refusal(pa.table(columns)).detail


def test_a_file_that_holds_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"id": [f"task-{number}" for number in range(1000)]})
    monkeypatch.setattr(parquet_rows, "MAX_CELLS", 999)
    assert "999 values" in refusal(table).detail
    monkeypatch.setattr(parquet_rows, "MAX_CELLS", 1000)
    monkeypatch.setattr(parquet_rows, "MAX_UNPACKED_BYTES", 1000)
    assert "unpacks" in refusal(table).detail
