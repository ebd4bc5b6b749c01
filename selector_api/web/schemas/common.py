"""Types that several calls share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from selector_api.core.times import rfc3339


def _whole(value: Any) -> Any:
    # JSON knows one kind of number: 16.0 is 16.
    return int(value) if isinstance(value, float) and value.is_integer() else value


TAKE_WHOLE = BeforeValidator(_whole)
"""Put last: an integer may be written with a fraction of zero."""
Whole = Annotated[int, TAKE_WHOLE]


Time = Annotated[
    int,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A Unix time in milliseconds, written as in RFC 3339."""


class Request(BaseModel):
    """A request: unknown fields, numbers written as text and NaN are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Answer(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)


def example(rules: Mapping[str, Any] | None = None, /, **values: Any) -> ConfigDict:
    """Model configuration that shows one example in the OpenAPI document, and `rules` of JSON Schema."""
    return ConfigDict(json_schema_extra={"examples": [values], **(rules or {})})
