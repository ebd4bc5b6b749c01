"""The pages that are made from schemas are those of the schemas as they are now."""

from __future__ import annotations

from typing import Any

import pytest

from docs.generate.__main__ import REFERENCE, pages
from docs.generate.schema import paragraphs, table, takes


@pytest.mark.parametrize("name", pages())
def test_a_page_is_current(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == pages()[name], "run: make generated"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string", "minLength": 1, "maxLength": 256}, "text of 1 to 256 characters"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "number > 0, ≤ 1"),
        ({"type": "integer", "minimum": 0, "maximum": 2**63 - 1}, "integer 0 to 2^63−1"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1}, "list of integer (≥ 1)"),
        ({"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}]}, "list of number (2)"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "mapping of name to true or false"),
        ({"anyOf": [{"$ref": "#/$defs/Lora"}, {"type": "null"}]}, "→Lora or null"),
        ({"enum": ["bf16", "fp32"]}, "`bf16`, `fp32`"),
        ({}, "anything"),
    ],
)
def test_what_a_field_takes_is_said_in_words(schema: dict[str, Any], words: str) -> None:
    assert takes(schema, lambda name: f"→{name}") == words


def test_a_table_tells_defaults_and_what_is_required() -> None:
    fields = {
        "type": {"const": "vllm"},
        "url": {"type": "string", "description": "Where | when."},
        "batch": {"type": "integer", "default": 8},
    }
    assert list(table({"properties": fields, "required": ["type", "url"]}, str))[2:] == [
        "| `url` | text | required | Where \\| when. |",
        "| `batch` | integer | `8` |  |",
    ]


def test_what_markdown_would_take_for_its_own_is_escaped() -> None:
    assert next(paragraphs("In `<a>`, but <answer> and ```python.")) == (
        "In `<a>`, but \\<answer> and \\`\\`\\`python."
    )
