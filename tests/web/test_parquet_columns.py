"""A Parquet body is read by columns as it would be row by row."""

from __future__ import annotations

import io
import json
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selector_api.web import task_bodies
from selector_api.web.parquet_rows import columns_of_rows
from selector_api.web.problems import Problem
from selector_api.web.task_bodies import JSON, PARQUET, read_tasks

RATES = pa.map_(pa.string(), pa.float64())
names = st.text(st.sampled_from("abü任"), min_size=1, max_size=3)
ids = st.one_of(
    st.lists(names, min_size=1, max_size=8),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8),
    st.lists(st.uuids(), min_size=1, max_size=8),
)
rates = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 0.25, 1.0, 5e-324]))
now_and_then_wrong = st.one_of(rates, st.sampled_from([-0.5, 1.5, float("nan"), float("inf")]))


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    some = draw(ids)
    count = len(some)
    if isinstance(some[0], UUID):
        columns = {"id": pa.array([each.bytes for each in some if isinstance(each, UUID)], pa.binary(16))}
    else:
        columns = {"id": pa.array(some)}

    def column(values: st.SearchStrategy[Any], kind: pa.DataType | None = None) -> pa.Array:
        return pa.array(draw(st.lists(values, min_size=count, max_size=count)), kind)

    if draw(st.booleans()):
        columns["domain"] = column(st.one_of(st.none(), names), pa.string())
    rate = now_and_then_wrong if draw(st.integers(0, 9)) == 0 else rates
    match draw(st.sampled_from(["none", "struct", "map"])):
        case "struct":
            fields = draw(st.lists(names, min_size=1, max_size=3, unique=True))
            kind = pa.struct([(name, pa.float64()) for name in fields])
            rows = st.one_of(st.none(), st.fixed_dictionaries(dict.fromkeys(fields, rate)))
            columns["references"] = column(rows, kind)
        case "map":
            pairs = st.dictionaries(names, rate, max_size=3).map(lambda each: list(each.items()))
            columns["references"] = column(st.one_of(st.none(), pairs), RATES)
        case _:
            pass
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def outcome(body: bytes) -> Any:
    try:
        rows = read_tasks(PARQUET, body)
    except Problem as problem:
        return problem.kind.code, problem.detail
    # A dictionary of names may hold some that no row has.
    return rows.told(), list(rows.references)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(body=bodies())
def test_columns_tell_what_rows_tell(body: bytes) -> None:
    by_columns = outcome(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_bodies, "columns_of_rows", lambda body: None)
        assert outcome(body) == by_columns


@settings(max_examples=50, deadline=None, derandomize=True)
@given(body=bodies())
def test_json_tells_what_parquet_tells(body: bytes) -> None:
    rows = columns_of_rows(body)
    if rows is None:
        return
    tasks = [
        {"id": id_, "references": references} | ({} if domain is None else {"domain": domain})
        for id_, domain, references in rows.told()
    ]
    assert read_tasks(JSON, json.dumps(tasks).encode()).told() == rows.told()


def test_plain_bodies_are_read_without_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_bodies, "slices_of_rows", None)
    table = pa.table(
        {
            "id": ["a", "b"],
            "domain": ["math", None],
            "references": pa.array([[("weak", 0.5)], None], RATES),
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    told = [("a", "math", {"weak": 0.5}), ("b", None, {})]
    assert read_tasks(PARQUET, file.getvalue()).told() == told
