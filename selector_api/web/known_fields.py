"""The fields that a JSON Schema knows at a place: what to tell somebody who sent one that it does not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any

from fastapi import Request
from pydantic import TypeAdapter


class KnownFields:
    """The fields of a schema's objects.

    Args:
        schema: with all that it refers to in `$defs`.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    @classmethod
    def of_type(cls, type_: Any) -> KnownFields:
        """Those of what pydantic validates as this type."""
        return cls(TypeAdapter(type_).json_schema())

    @classmethod
    def of_body(cls, request: Request) -> KnownFields | None:
        """Those of the body that a request's call takes; None if it takes no JSON."""
        field = getattr(request.scope.get("route"), "body_field", None)
        if field is None:
            return None
        return _of_body(field.field_info.annotation, tuple(field.field_info.metadata))

    def at(self, place: Sequence[str | int]) -> list[str]:
        """The fields of the object at this place of a document: all that any of its kinds has."""
        schemas = [self._schema]
        for part in place:
            schemas = [inner for schema in schemas for inner in self._inside(schema, part)]
        return sorted({name for schema in schemas for kind in self._kinds(schema) for name in _fields(kind)})

    def _inside(self, schema: Mapping[str, Any], part: str | int) -> Iterator[Mapping[str, Any]]:
        for kind in self._kinds(schema):
            if isinstance(part, int):
                inner = kind.get("items")
            else:
                inner = _fields(kind).get(part, kind.get("additionalProperties"))
            if isinstance(inner, Mapping):
                yield inner

    def _kinds(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """What a schema refers to, and each of the schemas that it is a union of."""
        if "$ref" in schema:
            yield from self._kinds(self._schema["$defs"][schema["$ref"].rpartition("/")[2]])
        for name in ("anyOf", "oneOf", "allOf"):
            for each in schema.get(name, ()):
                yield from self._kinds(each)
        yield schema


def _fields(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return schema.get("properties", {})


@lru_cache(64)
def _of_body(annotation: Any, metadata: tuple[Any, ...]) -> KnownFields:
    return KnownFields.of_type(Annotated[annotation, *metadata] if metadata else annotation)
