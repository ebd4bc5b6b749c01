"""JSON schemas (draft 2020-12, as pydantic and FastAPI write them) as Markdown."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
Link = Callable[[str], str]
"""Markdown that leads to a definition, by its name."""

WIDTH = 120
_PLAIN = {
    "integer": "integer",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}
_ESCAPED = {"<": "\\<", "```": "\\`\\`\\`"}


def table(schema: Schema, link: Link) -> Iterator[str]:
    """The lines of a table of an object's fields: what each takes, its default, its meaning."""
    fields = {
        name: field for name, field in schema["properties"].items() if name != "type" or "const" not in field
    }
    if not fields:
        return
    required = schema.get("required", ())
    yield "| field | takes | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in fields.items():
        cells = (f"`{name}`", takes(field, link), _default(field, name in required), meaning(field))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def takes(schema: Schema, link: Link) -> str:
    """What a value may be, in words."""
    if "$ref" in schema:
        return link(name_of(schema))
    if "const" in schema:
        return _code(schema["const"])
    if "enum" in schema:
        return ", ".join(map(_code, schema["enum"]))
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(takes(each, link) for each in schema[word]))
    kind = schema.get("type")
    if kind == "array":
        return _list(schema, link)
    if kind == "object":
        return _mapping(schema, link)
    if kind is None:
        return "anything"
    text = "path" if schema.get("format") in ("path", "file-path") else _PLAIN[kind]
    return " ".join(filter(None, (text, _range(schema))))


def meaning(schema: Schema) -> str:
    """The description of a field in one line."""
    return _plain(" ".join(schema.get("description", "").split()))


def references(schema: Any) -> Iterator[str]:
    """The names of the definitions that a schema refers to itself, in their order."""
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            yield name_of(schema)
        for name, value in schema.items():
            if name not in ("$defs", "discriminator"):
                yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def name_of(reference: Schema) -> str:
    """The name of the definition that `{"$ref": …}` refers to."""
    return str(reference["$ref"]).rpartition("/")[2]


def paragraphs(text: str) -> Iterator[str]:
    """Text as lines of at most `WIDTH` characters."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        yield from textwrap.wrap(_plain(" ".join(paragraph.split())), WIDTH, break_on_hyphens=False)
        yield ""


def anchor(heading: str) -> str:
    """Where a link to a heading leads, by GitHub's rule."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def page(lines: Iterable[str]) -> str:
    """The text of a file: lines, without a double empty one."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _default(field: Schema, required: bool) -> str:
    if required:
        return "required"
    return _code(field["default"]) if field.get("default", ...) is not ... else ""


def _list(schema: Schema, link: Link) -> str:
    if "prefixItems" in schema:
        each = dict.fromkeys(takes(item, link) for item in schema["prefixItems"])
        return f"list of {' and '.join(each)} ({len(schema['prefixItems'])})"
    count = _bounds(schema.get("minItems"), schema.get("maxItems"))
    return f"list of {takes(schema.get('items', {}), link)}" + (f" ({count})" if count else "")


def _mapping(schema: Schema, link: Link) -> str:
    values = schema.get("additionalProperties", True)
    if "patternProperties" in schema:
        (values,) = schema["patternProperties"].values()
    return "mapping" if isinstance(values, bool) else f"mapping of name to {takes(values, link)}"


def _range(schema: Schema) -> str:
    if "maxLength" in schema:
        return f"of {_bounds(schema.get('minLength'), schema['maxLength'])} characters"
    if "exclusiveMinimum" not in schema and "exclusiveMaximum" not in schema:
        return _bounds(schema.get("minimum"), schema.get("maximum"))
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return ", ".join(f"{sign} {_number(schema[key])}" for key, sign in signs.items() if key in schema)


def _bounds(low: float | None, high: float | None) -> str:
    if low is None:
        return "" if high is None else f"≤ {_number(high)}"
    if high is None:
        return f"≥ {_number(low)}"
    return _number(low) if low == high else f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    if value >= 2**53:
        power = round(math.log2(value))
        return f"2^{power}" + "−1" * (value == 2**power - 1)
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _code(value: Any) -> str:
    return "`" + (value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)) + "`"


def _plain(text: str) -> str:
    """Text whose signs mean nothing to Markdown, but for what stands between single backticks."""
    return re.sub(r"(?<!`)`[^`]+`(?!`)|<|```", lambda found: _ESCAPED.get(found[0], found[0]), text)
