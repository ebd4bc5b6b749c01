"""Reading the tasks that POST /pools/{pool}/tasks takes: NDJSON, a JSON array or a Parquet file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import FailFast, TypeAdapter, ValidationError

from selector_api.core.task_rows import TaskRows
from selector_api.known_fields import KnownFields
from selector_api.web.exception_handlers import explain_validation
from selector_api.web.json_body import read_json
from selector_api.web.parquet_rows import columns_of_rows, slices_of_rows
from selector_api.web.problems import (
    INVALID_JSON,
    INVALID_REQUEST,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
)
from selector_api.web.schemas.pools import TaskItem
from selector_api.web.task_limits import refuse_too_many

NDJSON = "application/x-ndjson"
JSON = "application/json"
PARQUET = "application/vnd.apache.parquet"

_SLICE = 1_000
"""Tasks converted and validated at a time: until such a call is done no other thread runs, the event loop's
included."""

_tasks: TypeAdapter[list[TaskItem]] = TypeAdapter(Annotated[list[TaskItem], FailFast()])
_task = TypeAdapter(TaskItem)
_SPACED = re.compile(rb'"\s+:')
_fields = KnownFields.of_type(dict[str, TaskItem])
"""By a task\'s place in the body."""


def read_tasks(content_type: str, body: bytes) -> TaskRows:
    """The tasks in a body of this type. Takes seconds for a large one: call it beside the event loop.

    Raises:
        Problem: unsupported-media-type, payload-too-large, invalid-json, invalid-parquet or invalid-request.
    """
    # By type: how it is read, what a task's place is called, and the number of the first place.
    readers: dict[str, tuple[Callable[[bytes], Iterator[list[Any]]], str, int]] = {
        NDJSON: (_slices_of_ndjson, "line", 1),
        JSON: (_slices_of_json, "task", 0),
        PARQUET: (lambda body: slices_of_rows(body, _SLICE), "row", 0),
    }
    media_type = content_type.partition(";")[0].strip().lower()
    reader = readers.get(media_type)
    if reader is None:
        raise Problem(UNSUPPORTED_MEDIA_TYPE, f"Content-Type: send one of {', '.join(readers)}")
    if media_type == PARQUET and (rows := columns_of_rows(body)) is not None:
        return rows
    slices, unit, first = reader
    ids: list[str] = []
    domains: list[str | None] = []
    references: list[dict[str, float]] = []
    for values in slices(body):
        tasks = _validated(values, unit, first + len(ids))
        ids += [task.id for task in tasks]
        # One that is not told is none that another could contradict.
        domains += [task.domain if "domain" in task.model_fields_set else None for task in tasks]
        references += [task.references for task in tasks]
    if not ids:
        raise Problem(INVALID_REQUEST, "body: it holds no task")
    return TaskRows.of(ids, domains, references)


def _slices_of_json(body: bytes) -> Iterator[list[Any]]:
    values = _json("body", body)
    if not isinstance(values, list):
        raise Problem(INVALID_REQUEST, "body: it must be an array of tasks")
    refuse_too_many(len(values))
    for start in range(0, len(values), _SLICE):
        yield values[start : start + _SLICE]


def _slices_of_ndjson(body: bytes) -> Iterator[list[Any]]:
    text = body.removesuffix(b"\n")
    refuse_too_many(text.count(b"\n") + 1)
    lines = text.split(b"\n") if body else []
    for start in range(0, len(lines), _SLICE):
        part = lines[start : start + _SLICE]
        plain = _plain_tasks(part)
        yield plain or [_json(f"line {number}", line) for number, line in enumerate(part, start + 1)]


def _plain_tasks(lines: list[bytes]) -> list[TaskItem] | None:
    """The tasks of some lines, read and validated in one go; None if something about them is not plainly right.

    pydantic's reader takes a name that occurs twice in an object. Each name ends in a quote that a colon follows,
    and in a text such a pair can only make them look more: so no name is there twice if there are as many.
    """
    if any(_SPACED.search(line) for line in lines):
        return None
    try:
        tasks = [_task.validate_json(line) for line in lines]
    except ValidationError:
        return None
    names = sum(len(task.model_fields_set) + len(task.references) for task in tasks)
    return tasks if names == sum(line.count(b'":') for line in lines) else None


def _json(place: str, text: bytes) -> Any:
    try:
        return read_json(text)
    except json.JSONDecodeError as error:
        raise Problem(INVALID_JSON, f"{place}: {error.msg}") from error


def _validated(values: list[Any], unit: str, first: int) -> list[TaskItem]:
    """The tasks of a slice whose first one has the place `first`."""
    try:
        return _tasks.validate_python(values)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        for entry in errors:
            place, *inside = entry["loc"]
            assert isinstance(place, int)
            entry["loc"] = (f"{unit} {first + place}", *inside)
        raise Problem(INVALID_REQUEST, explain_validation(errors, _fields)) from error
