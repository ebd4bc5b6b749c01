"""What is wrong with a configuration, in words: the field, what was given, and what it takes."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from selector_api.known_fields import KnownFields
from selector_api.near_names import hint
from services.command_line.failures import shown

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "model": "a mapping of fields",
}
"""By how the types of pydantic's errors begin, what is wanted."""
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def mistakes(error: ValidationError, kind: type[BaseModel]) -> list[str]:
    """A line for each wrong field of what should have been a `kind`, with its place: `training.steps`."""
    known = KnownFields.of_type(kind)
    lines: dict[tuple[str, str], list[str]] = {}
    for found in error.errors():
        place, got, words = _explained(found, known)
        name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(
            "."
        )
        wanted = lines.setdefault((name, got), [])
        if words not in wanted:  # a value that may be of several types is told of once for each
            wanted.append(words)
    return [
        ": ".join(filter(None, (name, "; ".join(filter(None, (got, " or ".join(wanted)))))))
        for (name, got), wanted in lines.items()
    ]


def words(error: Mapping[str, Any]) -> str:
    """What one error of pydantic's says of a value."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        word, name = _BOUNDS[kind]
        return f"it must be {word} {context[name]}"
    beginning = kind.partition("_")[0]
    if beginning in _TYPES and kind.endswith(("_type", "_parsing", "_from_float", "_number")):
        return f"it must be {_TYPES[beginning]}"
    match kind:
        case "value_error" | "assertion_error":
            return error["msg"].partition(", ")[2]
        case "literal_error" | "enum":
            return f"it must be {context['expected']}"
        case "string_too_short" | "too_short" if context["min_length"] == 1:
            return "it must not be empty"
        case "string_pattern_mismatch":
            return f"it must match {context['pattern']}"
        case _:
            return re.sub("^(Input|String|Value) should", "it should", error["msg"])


def _explained(found: Mapping[str, Any], known: KnownFields) -> tuple[list[str | int], str, str]:
    """The place of an error, what was got there ("": nothing to show), and what is wrong."""
    *outer, last = found["loc"] or ("",)
    got = f"got {shown(found['input'])}"
    match found["type"]:
        case "extra_forbidden":
            place = known.within(outer)
            return [*place, last], "", known.refusal(place, str(last))
        case "missing":
            return [*known.within(outer), last], "", "it is required"
        case "union_tag_not_found" | "union_tag_invalid" as kind:
            place = known.within(found["loc"])
            kinds = known.kinds_at(place)
            if kind == "union_tag_not_found":
                return [*place, "type"], "", f"it is required{hint('', kinds, most=20)}"
            tag = str(found["ctx"]["tag"])
            return [*place, "type"], f"got {shown(tag)}", f"there is no such one{hint(tag, kinds, most=20)}"
        case _:
            place = known.within(found["loc"])
            return place, got if found["loc"] else "", words(found)
