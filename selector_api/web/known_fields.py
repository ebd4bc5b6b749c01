"""The fields that the body of a call may have."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

from fastapi import Request

from selector_api.known_fields import KnownFields


def fields_of_body(request: Request) -> KnownFields | None:
    """Those of the body that a request's call takes; None if it takes no JSON."""
    field = getattr(request.scope.get("route"), "body_field", None)
    if field is None:
        return None
    return _of_body(field.field_info.annotation, tuple(field.field_info.metadata))


@lru_cache(64)
def _of_body(annotation: Any, metadata: tuple[Any, ...]) -> KnownFields:
    return KnownFields.of_type(Annotated[annotation, *metadata] if metadata else annotation)
