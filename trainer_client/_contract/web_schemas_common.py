"""Taken over from selector_api/web/schemas/common.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    WithJsonSchema,
)

from trainer_client._contract.core_fields import TakeInteger

Id = Annotated[str, StringConstraints(min_length=1, max_length=256), TakeInteger()]
"""Name of a task, domain, reference, selection or key: 1 to 256 characters, or an integer as its decimal text."""


def _name(value: str) -> str:
    if "/" in value or value in (".", ".."):
        raise ValueError('names of pools and runs hold no slash, and are neither "." nor ".."')
    return value


Name = Annotated[
    Id,
    AfterValidator(_name),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": 256,
            "pattern": r"^(\.{0,2}[^/.][^/]*|\.{3}[^/]*)$",
        }
    ),
]
"""Name of a pool or run, which is a segment of an address: a slash, even a quoted one, makes another address,
and clients resolve dots (RFC 3986, section 5.2.4)."""
Share = Annotated[FiniteFloat, Field(ge=0.0, le=1.0)]
"""A rate, share or probability: a finite number in [0, 1]."""


def _whole(value: Any) -> Any:
    # JSON knows one kind of number: 16.0 is 16.
    return int(value) if isinstance(value, float) and value.is_integer() else value


TAKE_WHOLE = BeforeValidator(_whole)
"""Put last: an integer may be written with a fraction of zero."""
Whole = Annotated[int, TAKE_WHOLE]


class Request(BaseModel):
    """A request: unknown fields and numbers written as text are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


def example(rules: Mapping[str, Any] | None = None, /, **values: Any) -> ConfigDict:
    """Model configuration that shows one example in the OpenAPI document, and `rules` of JSON Schema."""
    return ConfigDict(json_schema_extra={"examples": [values], **(rules or {})})
