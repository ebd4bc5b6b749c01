"""Taken over from selector_api/core/fields.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Annotated, Any, cast, get_args

from annotated_types import Ge, Le, Len, Predicate


def _is_segment(name: str) -> bool:
    if "/" in name or name in (".", ".."):
        raise ValueError('names of pools and runs hold no slash, and are neither "." nor ".."')
    return True


class _SegmentPattern:
    """What `_is_segment` demands, in the words of JSON Schema."""

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(core_schema), "pattern": r"^(\.{0,2}[^/.][^/]*|\.{3}[^/]*)$"}


def decimal_text(value: Any) -> Any:
    """An integer as its decimal text, text as it is.

    Raises:
        ValueError: it is neither, so `true` and 1.5 are no ids.
    """
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    raise ValueError("give text or an integer")


class TakeInteger:
    """Stands in `Annotated`, last: an integer is taken as its decimal text, as data sets number their tasks."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        """The text's schema behind `decimal_text`."""
        text = handler(source)
        return {
            "type": "function-before",
            "function": {"type": "no-info", "function": decimal_text},
            "schema": text,
            "json_schema_input_schema": {"type": "union", "choices": [text, {"type": "int"}]},
        }


Id = Annotated[str, Len(1, 256), TakeInteger()]
"""Name of a task, domain, reference, selection or key: 1 to 256 characters, or an integer as its decimal text."""
Name = Annotated[Id, Predicate(_is_segment), _SegmentPattern()]
"""Name of a pool or run, which is a segment of an address: a slash, even a quoted one, makes another address,
and clients resolve dots (RFC 3986, section 5.2.4)."""
Share = Annotated[float, Ge(0.0), Le(1.0)]
"""A rate, share or probability."""


def schema(**example: Any) -> Mapping[str, Any]:
    """The `__pydantic_config__` of a dataclass: unknown fields, numbers as text and NaN are errors.

    Where the example, which the API's document shows, has a `type`, a request has to tell it as well.
    """

    def extend(document: dict[str, Any]) -> None:
        document["examples"] = [example]
        if "type" in example:
            document["required"] = ["type", *document.get("required", ())]

    return {
        "alias_generator": _json_name,
        "extra": "forbid",
        "strict": True,
        "allow_inf_nan": False,
        "use_attribute_docstrings": True,
        "json_schema_extra": extend,
    }


class ByType:
    """Stands in `Annotated` behind one dataclass or a union of them, which are told apart by their `type`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        """A union whose error names the types there are, whether the type is missing or unknown."""
        choices = {kind.type: handler.generate_schema(kind) for kind in kinds(source)}
        return {
            "type": "tagged-union",
            "discriminator": "type",
            "choices": choices,
            "custom_error_type": "unknown_type",
            "custom_error_message": f"type must be one of {', '.join(map(repr, choices))}",
        }


class NumberOr:
    """Stands in `Annotated` behind a number or one dataclass: an error speaks of the one that was sent."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        """A union of the two that is told apart by whether an object was sent."""
        number, kind = get_args(source)
        return {
            "type": "tagged-union",
            "discriminator": _object_or_number,
            "choices": {"number": handler.generate_schema(number), "object": handler.generate_schema(kind)},
        }


class Either:
    """Stands in `Annotated` behind a union without a `type`; what is none of it is an error with these words."""

    def __init__(self, words: str) -> None:
        self._words = words

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        """A union that has one error."""
        return {
            "type": "union",
            "choices": [handler.generate_schema(kind) for kind in get_args(source)],
            "custom_error_type": "neither",
            "custom_error_message": self._words,
        }


def to_dict(value: Any) -> dict[str, Any]:
    """A dataclass as JSON values. Its `type` stands first; a field that is None by default is left out then."""
    return {
        json_name: _json(entry)
        for name, json_name, is_optional in _places(value.__class__)
        if (entry := getattr(value, name)) is not None or not is_optional
    }


@cache
def _places(kind: type) -> tuple[tuple[str, str, bool], ...]:
    """Of each field of a dataclass its name, its name in JSON, and whether it is None by default."""
    ordered = sorted(fields(kind), key=lambda field: field.name != "type")
    return tuple((field.name, _json_name(field.name), field.default is None) for field in ordered)


def _object_or_number(value: Any) -> str:
    return "object" if isinstance(value, Mapping) or is_dataclass(value) else "number"


def _json_name(name: str) -> str:
    """What a field is called in JSON: a name that is a word of Python's ends with an underscore in a dataclass."""
    return name.removesuffix("_")


def _json(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if is_dataclass(value):
        return to_dict(value)
    if isinstance(value, dict):
        return {name: _json(entry) for name, entry in cast("dict[str, Any]", value).items()}
    if isinstance(value, tuple | list):
        return [_json(entry) for entry in cast("list[Any]", value)]
    return value


def kinds(hint: Any) -> list[Any]:
    """The dataclasses that a type, or a union of types, consists of."""
    return [kind for kind in get_args(hint) or (hint,) if is_dataclass(kind)]
