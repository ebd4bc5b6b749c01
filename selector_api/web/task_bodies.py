"""Reading the tasks that POST /pools/{pool}/tasks takes: NDJSON, a JSON array or a Parquet file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from selector_api.web.errors import explain_validation
from selector_api.web.json_body import read_json
from selector_api.web.parquet_rows import read_rows
from selector_api.web.problems import (
    INVALID_JSON,
    INVALID_REQUEST,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
)
from selector_api.web.schemas.pools import TaskItem

NDJSON = "application/x-ndjson"
JSON = "application/json"
PARQUET = "application/vnd.apache.parquet"

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
    return _validated(read_rows(body), "row", first=0)


def _validated(values: Any, unit: str, first: int) -> list[TaskItem]:
    try:
        return _tasks.validate_python(values)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        for entry in errors:
            if entry["loc"] and isinstance(entry["loc"][0], int):
                entry["loc"] = (f"{unit} {entry['loc'][0] + first}", *entry["loc"][1:])
        raise Problem(INVALID_REQUEST, explain_validation(errors)) from error
