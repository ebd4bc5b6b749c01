"""Taken over from selector_api/web/schemas/common.py by generate_contract.py: change it there."""

# pyright: standard

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _whole(value: Any) -> Any:
    # JSON knows one kind of number: 16.0 is 16.
    return int(value) if isinstance(value, float) and value.is_integer() else value


TAKE_WHOLE = BeforeValidator(_whole)
"""Put last: an integer may be written with a fraction of zero."""
Whole = Annotated[int, TAKE_WHOLE]


class Request(BaseModel):
    """A request: unknown fields, numbers written as text and NaN are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def example(rules: Mapping[str, Any] | None = None, /, **values: Any) -> ConfigDict:
    """Model configuration that shows one example in the OpenAPI document, and `rules` of JSON Schema."""
    return ConfigDict(json_schema_extra={"examples": [values], **(rules or {})})
