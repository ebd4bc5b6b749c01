"""Taken over from selector_api/web/schemas/runs.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from trainer_client._contract.core_config import RunChange, RunConfig, completed
from trainer_client._contract.core_fields import Id
from trainer_client._contract.web_schemas_common import Request, example

MAX_NAMED = 10_000
"""Tasks that a body can name."""
_config = TypeAdapter(RunConfig)
_change = TypeAdapter(RunChange)
_Read = TypeVar("_Read")
_HALF_PAIR = re.compile("[\ud800-\udfff]")


def _run_config(values: Any) -> RunConfig:
    """The configuration in a body, be it in the form of 0.2 or without a policy."""
    return _read(_config, completed(_object(values)))


def _run_change(values: Any) -> RunChange:
    """What a body changes of a configuration."""
    for name in _object(values):
        if name in ("pool", "seed", "posterior", "implicit", "rewards"):
            raise PydanticCustomError(
                "fixed",
                "{name} cannot change while a run goes on: {cure}",
                {
                    "name": name,
                    "cure": 'fork the run, PUT /runs/{new} with "fork": {"run": …} and the new ' + name
                    if name != "pool"
                    else "make another run; a fork draws from the same pool as its parent",
                },
            )
    change = _read(_change, values)
    if change == RunChange():
        raise PydanticCustomError(
            "nothing", "tells nothing to change: send policy, lease_seconds, share_leased or commit"
        )
    return change


def _object(values: Any) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise PydanticCustomError("config", "Input should be an object")
    return values


def _read(adapter: TypeAdapter[_Read], values: Any) -> _Read:
    """What an object holds.

    It is read as JSON once more, in which the strict rules of pydantic take a list for a tuple.
    """
    try:
        values = _whole(values)
        return adapter.validate_json(json.dumps(values, ensure_ascii=False).encode())
    except RecursionError:
        raise PydanticCustomError("config", "it is nested too deeply") from None
    except ValidationError as error:
        raise ValidationError.from_exception_data(
            error.title,
            [
                InitErrorDetails(type=_type(entry), loc=_without_types(entry["loc"], values), input=None)
                for entry in error.errors(include_url=False, include_input=False)
            ],
        ) from error


def _type(error: ErrorDetails) -> str | PydanticCustomError:
    """A dataclass's unknown field is that of an object here, not an argument of a Python call."""
    if error["type"] == "unexpected_keyword_argument":
        return "extra_forbidden"
    return PydanticCustomError("config", "{message}", {"message": error["msg"]})


RunRequest = Annotated[RunConfig, PlainValidator(_run_config, json_schema_input_type=RunConfig)]
"""PUT /runs/{run}: how a run selects."""
ChangeRequest = Annotated[RunChange, PlainValidator(_run_change, json_schema_input_type=RunChange)]
"""PATCH /runs/{run}: what is otherwise from now on."""


class TasksRequest(Request):
    """Tasks by their ids."""

    model_config = example(tasks=["gsm8k/17", "gsm8k/4"])

    tasks: list[Id] = Field(min_length=1, max_length=MAX_NAMED)


def _whole(value: Any, *place: int | str) -> Any:
    """JSON knows one kind of number: 16.0 is 16. And it can write half a surrogate pair, which is no text."""
    if isinstance(value, Mapping):
        return {_whole(name, *place, "[key]"): _whole(entry, *place, name) for name, entry in value.items()}
    if isinstance(value, list):
        return [_whole(entry, *place, number) for number, entry in enumerate(value)]
    if isinstance(value, str) and not value.isascii() and _HALF_PAIR.search(value):
        half = InitErrorDetails(type="string_unicode", loc=place, input=None)
        raise ValidationError.from_exception_data("RunConfig", [half])
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
