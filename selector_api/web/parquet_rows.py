"""Reading the rows of a Parquet file of tasks, without trusting the file.

A few kilobytes can stand for gigabytes: equal values are stored once, and what is stored is compressed. So the
file's own account of its size is looked at first, and text is kept as it is stored, each value once, until its
length is known.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from selector_api.core.task_rows import TaskRows
from selector_api.near_names import shown
from selector_api.settings import MEBIBYTE
from selector_api.web.parquet_columns import task_columns
from selector_api.web.problems import INVALID_PARQUET, Problem
from selector_api.web.task_limits import refuse_too_many

MAX_CELLS = 4_000_000
"""Most values in a file: sixteen a task where there are as many tasks as there may be."""
MAX_UNPACKED_BYTES = 512 * MEBIBYTE
_MAX_TEXT = 256
_COLUMNS = ["id", "domain", "references"]
_UUID_BYTES = 16
_MAGIC = b"PAR1"
"""How a Parquet file begins and ends."""


def slices_of_rows(body: bytes, size: int) -> Iterator[list[dict[str, Any]]]:
    """The file's rows, without their nulls, `size` at a time.

    Raises:
        Problem: invalid-parquet or payload-too-large.
    """
    with _readable():
        table = _table(body)
        uuids = [name for name in table.column_names if _is_uuid(table.schema.field(name).type)]
        for start in range(0, table.num_rows, size):
            rows = table.slice(start, size).to_pylist(maps_as_pydicts="strict")
            yield [_with_uuids(_without_nulls(row), uuids) for row in rows]


def columns_of_rows(body: bytes) -> TaskRows | None:
    """The file's rows as columns, as fast as Arrow can; None if something about them is not as it has to be.

    Raises:
        Problem: invalid-parquet or payload-too-large.
    """
    with _readable():
        return task_columns(_table(body))


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Problem(INVALID_PARQUET, "body: not a readable Parquet file") from error


def _refuse_cut(body: bytes) -> None:
    if body.startswith(_MAGIC) and not body.endswith(_MAGIC):
        raise Problem(
            INVALID_PARQUET, "body: a Parquet file that is cut short; send it again from its beginning"
        )


def _table(body: bytes) -> pa.Table:
    _refuse_cut(body)
    file = pq.ParquetFile(io.BytesIO(body))
    _refuse_columns(file.schema_arrow)
    _refuse_size(file.metadata)
    columns = [file.schema.column(index) for index in range(len(file.schema))]
    texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
    table = pq.ParquetFile(io.BytesIO(body), read_dictionary=texts).read(use_threads=False)
    if any(_longest_text(chunk) > _MAX_TEXT for column in table.columns for chunk in column.chunks):
        raise Problem(INVALID_PARQUET, "body: ids, domains and references have at most 256 characters")
    return table


def _refuse_columns(schema: pa.Schema) -> None:
    wrong = _wrong_column(schema)
    if wrong is not None:
        raise Problem(
            INVALID_PARQUET,
            f"body: {wrong}; the columns are id and domain (text, integers or UUIDs), and references "
            "(struct or map of numbers)",
        )


def _wrong_column(schema: pa.Schema) -> str | None:
    """What is wrong with the columns, None if nothing."""
    if "id" not in schema.names:
        return "there is no column 'id'"
    for name in schema.names:
        if name not in _COLUMNS:
            return f"column {shown(name)} is none of a task's"
        if schema.names.count(name) > 1:
            return f"column {shown(name)} is there twice"
        kind = schema.field(name).type
        if not (pa.types.is_null(kind) or (_is_rates(kind) if name == "references" else _is_name(kind))):
            # Of a nested type the outermost is told: it may have any number of names in it.
            return f"column {shown(name)} is of type {str(kind).partition('<')[0]}"
    return None


def _is_name(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return _is_text(kind) or pa.types.is_integer(kind) or _is_uuid(kind)


def _is_uuid(kind: pa.DataType) -> bool:
    """Whether it is of UUIDs: known to Arrow as such, or as the 16 bytes that Parquet stores."""
    stored = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    return pa.types.is_fixed_size_binary(stored) and stored.byte_width == _UUID_BYTES


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_rates(kind: pa.DataType) -> bool:
    if pa.types.is_map(kind):
        return _is_text(kind.key_type) and _is_number(kind.item_type)
    return pa.types.is_struct(kind) and all(_is_number(kind.field(i).type) for i in range(kind.num_fields))


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)


def _refuse_size(metadata: pq.FileMetaData) -> None:
    refuse_too_many(metadata.num_rows)
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    cells = sum(group.column(index).num_values for group in groups for index in range(group.num_columns))
    if cells > MAX_CELLS:
        raise Problem(INVALID_PARQUET, f"body: more than {MAX_CELLS} values; send several files")
    if sum(group.total_byte_size for group in groups) > MAX_UNPACKED_BYTES:
        limit = MAX_UNPACKED_BYTES // MEBIBYTE
        raise Problem(INVALID_PARQUET, f"body: it unpacks to more than {limit} MiB; send several files")


def _longest_text(array: pa.Array) -> int:
    """Characters of the longest text in a column."""
    if isinstance(array, pa.MapArray):
        return _longest_text(array.keys)
    if isinstance(array, pa.DictionaryArray):
        lengths = pc.call_function("utf8_length", [array.dictionary])
        return pc.call_function("max", [lengths]).as_py() or 0
    return 0  # numbers


def _with_uuids(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """The row with the text of its UUIDs."""
    for name in columns:
        if name in row:
            value = row[name]
            row[name] = str(UUID(bytes=value) if isinstance(value, bytes) else value)
    return row


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    """A struct column has every reference in every row; an absent value is a null."""
    values = {name: value for name, value in row.items() if value is not None}
    if "references" in values:
        values["references"] = {name: rate for name, rate in row["references"].items() if rate is not None}
    return values
