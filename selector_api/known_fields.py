"""The fields that a JSON Schema knows at a place: what to tell somebody who sent one that it does not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from selector_api.near_names import hint, listed


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

    def at(self, place: Sequence[str | int]) -> list[str]:
        """The fields of the object at this place of a document: all that any of its kinds has."""
        return sorted({name for schema in self._at(place) for name in _fields(schema)})

    def refusal(self, place: Sequence[str | int], name: str) -> str:
        """What to say of a field that the object at this place does not have."""
        types = [
            kind["type"]["const"]
            for kind in map(_fields, self._at(place))
            if name in kind and "const" in kind.get("type", {})
        ]
        if types:
            return f"it goes with another type: {listed(types)}"
        return f"there is no such field{hint(name, self.at(place), most=20)}"

    def kinds_at(self, place: Sequence[str | int]) -> list[str]:
        """The values that `type` may have in the object at this place; none if it has no kinds."""
        return [
            name for schema in self._at(place) for name in schema.get("discriminator", {}).get("mapping", ())
        ]

    def within(self, place: Sequence[str | int]) -> list[str | int]:
        """A place as a document has it: without what validation puts between, such as the kind of an object."""
        kept: list[str | int] = []
        for part in place:
            if self._at([*kept, part]):
                kept.append(part)
        return kept

    def _at(self, place: Sequence[str | int]) -> list[Mapping[str, Any]]:
        """The schemas of what is at a place, and those that they are unions of."""
        schemas = [self._schema]
        for part in place:
            schemas = [inner for schema in schemas for inner in self._inside(schema, part)]
        return [kind for schema in schemas for kind in self._kinds(schema)]

    def _inside(self, schema: Mapping[str, Any], part: str | int) -> Iterator[Mapping[str, Any]]:
        for kind in self._kinds(schema):
            if isinstance(part, int):
                inner = kind.get("items")
            else:
                others = [kind.get("additionalProperties"), *kind.get("patternProperties", {}).values()]
                inner = _fields(kind).get(part, others[-1])
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
