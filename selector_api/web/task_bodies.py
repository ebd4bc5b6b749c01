"""Reading the tasks that POST /pools/{pool}/tasks takes: NDJSON, a JSON array or a Parquet file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from selector_api.settings import MEBIBYTE
from selector_api.web.errors import explain_validation
from selector_api.web.json_body import read_json
from selector_api.web.problems import (
    INVALID_JSON,
    INVALID_PARQUET,
    INVALID_REQUEST,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
)
from selector_api.web.schemas.pools import TaskItem

NDJSON = "application/x-ndjson"
JSON = "application/json"
PARQUET = "application/vnd.apache.parquet"

_MAX_PARQUET_BYTES = 512 * MEBIBYTE
"""Most that a Parquet body may unpack to: a few kilobytes can hold gigabytes of equal values."""
_COLUMNS = {"id", "domain", "references"}

_tasks: TypeAdapter[list[TaskItem]] = TypeAdapter(list[TaskItem])


def read_tasks(content_type: str, body: bytes) -> list[TaskItem]:
    """The tasks in a body of this type.

    Raises:
        Problem: unsupported-media-type, invalid-json, invalid-parquet or invalid-request.
    """
    readers: dict[str, Callable[[bytes], list[TaskItem]]] = {
        NDJSON: _read_ndjson,
        JSON: _read_json,
        PARQUET: _read_parquet,
    }
    reader = readers.get(content_type.partition(";")[0].strip().lower())
    if reader is None:
        raise Problem(UNSUPPORTED_MEDIA_TYPE, f"Content-Type: send one of {', '.join(readers)}")
    tasks = reader(body)
    if not tasks:
        raise Problem(INVALID_REQUEST, "body: it holds no task")
    return tasks


def _read_json(body: bytes) -> list[TaskItem]:
    return _validated(_json("body", body), "task", first=0)


def _read_ndjson(body: bytes) -> list[TaskItem]:
    lines = body.removesuffix(b"\n").split(b"\n") if body else []
    return _validated(
        [_json(f"line {number}", line) for number, line in enumerate(lines, 1)], "line", first=1
    )


def _json(place: str, text: bytes) -> Any:
    try:
        return read_json(text)
    except json.JSONDecodeError as error:
        raise Problem(INVALID_JSON, f"{place}: {error.msg}") from error


def _read_parquet(body: bytes) -> list[TaskItem]:
    try:
        file = pq.ParquetFile(io.BytesIO(body))
        groups = range(file.metadata.num_row_groups)
        unpacked = sum(file.metadata.row_group(group).total_byte_size for group in groups)
        names = file.schema_arrow.names
        if unpacked > _MAX_PARQUET_BYTES:
            limit = _MAX_PARQUET_BYTES // MEBIBYTE
            raise Problem(INVALID_PARQUET, f"body: it unpacks to more than {limit} MiB; send several files")
        if "id" not in names or not set(names) <= _COLUMNS or len(set(names)) < len(names):
            raise Problem(INVALID_PARQUET, "body: the columns are id (text), domain (text) and references")
        rows = file.read().to_pylist(maps_as_pydicts="strict")
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise Problem(INVALID_PARQUET, "body: not a readable Parquet file") from error
    return _validated([_task_values(row) for row in rows], "row", first=0)


def _task_values(row: dict[str, Any]) -> dict[str, Any]:
    """A row without its nulls: a struct column has every reference in every row."""
    values = {name: value for name, value in row.items() if value is not None}
    references = values.get("references")
    if isinstance(references, dict):
        values["references"] = {name: rate for name, rate in references.items() if rate is not None}
    return values


def _validated(values: Any, unit: str, first: int) -> list[TaskItem]:
    try:
        return _tasks.validate_python(values)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        for entry in errors:
            if entry["loc"] and isinstance(entry["loc"][0], int):
                entry["loc"] = (f"{unit} {entry['loc'][0] + first}", *entry["loc"][1:])
        raise Problem(INVALID_REQUEST, explain_validation(errors)) from error
