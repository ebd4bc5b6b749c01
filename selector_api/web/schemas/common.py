"""Types that several calls share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    WithJsonSchema,
)


def _whole(value: Any) -> Any:
    # JSON knows one kind of number: 16.0 is 16.
    return int(value) if isinstance(value, float) and value.is_integer() else value


TAKE_WHOLE = BeforeValidator(_whole)
"""Put last: an integer may be written with a fraction of zero."""
Whole = Annotated[int, TAKE_WHOLE]


def rfc3339(moment: datetime) -> str:
    """A moment in UTC as text, with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment in UTC, written as in RFC 3339 with milliseconds."""


def moment(milliseconds: int) -> datetime:
    """The moment of a Unix time in milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


class Request(BaseModel):
    """A request: unknown fields, numbers written as text and NaN are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Answer(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)


def example(rules: Mapping[str, Any] | None = None, /, **values: Any) -> ConfigDict:
    """Model configuration that shows one example in the OpenAPI document, and `rules` of JSON Schema."""
    return ConfigDict(json_schema_extra={"examples": [values], **(rules or {})})
