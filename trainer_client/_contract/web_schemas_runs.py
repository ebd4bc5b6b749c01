"""Taken over from selector_api/web/schemas/runs.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import PlainValidator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from trainer_client._contract.core_config import RunConfig, upgraded

_config = TypeAdapter(RunConfig)
_Read = TypeVar("_Read")


def _run_config(values: Any) -> RunConfig:
    """The configuration in a body, be it in the form of 0.2."""
    return _read(_config, upgraded(_object(values)))


def _object(values: Any) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise PydanticCustomError("config", "Input should be an object")
    return values


def _read(adapter: TypeAdapter[_Read], values: Any) -> _Read:
    """What an object holds.

    It is read as JSON once more, in which the strict rules of pydantic take a list for a tuple.
    """
    values = _whole(values)
    try:
        return adapter.validate_json(json.dumps(values, ensure_ascii=False).encode())
    except ValidationError as error:
        raise ValidationError.from_exception_data(
            error.title,
            [
                InitErrorDetails(
                    type=PydanticCustomError("config", "{message}", {"message": _words(entry)}),
                    loc=_without_types(entry["loc"], values),
                    input=None,
                )
                for entry in error.errors(include_url=False, include_input=False)
            ],
        ) from error


def _words(error: ErrorDetails) -> str:
    # pydantic's own words are those of a Python call.
    unknown = error["type"] == "unexpected_keyword_argument"
    return "Extra inputs are not permitted" if unknown else error["msg"]


RunRequest = Annotated[RunConfig, PlainValidator(_run_config, json_schema_input_type=RunConfig)]
"""PUT /runs/{run}: how a run selects."""


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: 16.0 is 16."""
    if isinstance(value, Mapping):
        return {name: _whole(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_whole(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_types(location: tuple[int | str, ...], value: Any) -> tuple[int | str, ...]:
    """The place of an error in `value`, without the types that pydantic puts behind fields of several kinds."""
    place: list[int | str] = []
    kind = None
    for part in location:
        if part == kind:
            kind = None
            continue
        place.append(part)
        value = value.get(part) if isinstance(value, Mapping) else None
        kind = _kind_of(value)
    return tuple(place)


def _kind_of(value: Any) -> str | None:
    """What pydantic puts into an error's place behind a value that may be of several kinds."""
    if isinstance(value, Mapping):
        return value.get("type", None if "object" in value else "object")
    return None if value is None else "number"
