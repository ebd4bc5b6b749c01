"""docs/reference/configuration.md: every setting, out of the classes that check them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from docs.generate.schema import Schema, anchor, page, paragraphs, references, table
from selector_api.core.config import RunConfig
from selector_api.settings import Settings
from services.experiment.config import Experiment
from services.reference_eval.config import ReferenceEvaluation
from services.trainer.config import TrainerConfig

_HEAD = """# Configuration

Made from the schemas by `make generated`; change the descriptions there.

What is required has to be given. Whoever checks a configuration names the field that is wrong.
"""
_PARTS: tuple[tuple[str, Any], ...] = (
    ("a run", RunConfig),
    ("the trainer", TrainerConfig),
    ("a reference evaluation", ReferenceEvaluation),
    ("an experiment", Experiment),
)
_SAID_OF = {
    "a run": "The body of `PUT /runs/{run}`.",
    "the trainer": "The file of `bots train CONFIG.yaml`, see [training](../how-to/training.md#training).",
    "a reference evaluation": "The file of `bots measure CONFIG.yaml`, see "
    "[references](../how-to/training.md#references).",
    "an experiment": "The file of `bots experiment run CONFIG.yaml`, see "
    "[experiments](../how-to/training.md#experiments).",
}


def configuration() -> str:
    """The text of the page."""
    lines = [_HEAD, *_service()]
    for owner, kind in _PARTS:
        lines += _Part(owner, TypeAdapter(kind).json_schema()).lines()
    return page(lines)


def _service() -> Iterator[str]:
    yield "## The service"
    yield ""
    yield from paragraphs("Variables of the environment of `bots serve`; some are options of it, too.")
    schema = Settings.model_json_schema()
    fields = {f"SELECTOR_{name.upper()}": _given(field) for name, field in schema["properties"].items()}
    yield from table({"properties": fields}, str)
    yield ""


def _given(field: Schema) -> Schema:
    """A setting without null, which no variable can say: it is then left out."""
    choices = [choice for choice in field.get("anyOf", ()) if choice != {"type": "null"}]
    given = {key: value for key, value in field.items() if key != "anyOf"} | (choices[0] if choices else {})
    if given.get("default", ...) is None:
        del given["default"]
    return given


class _Part:
    """One configuration: its root, then each section below it, a table each."""

    def __init__(self, owner: str, schema: Schema) -> None:
        self._owner = owner
        self._root = schema
        self._definitions: dict[str, Any] = schema.get("$defs", {})
        self._paths: dict[str, str] = {}
        """Where a definition stands first: its path from the root."""
        self._find(schema, "")

    def lines(self) -> Iterator[str]:
        yield f"## {self._owner.capitalize()}"
        yield ""
        yield _SAID_OF[self._owner]
        yield ""
        yield from self._body(self._root)
        for name in self._paths:
            yield f"### {self._heading(name)}"
            yield ""
            yield from self._body(self._definitions[name])

    def _body(self, schema: Schema) -> Iterator[str]:
        yield from paragraphs(schema.get("description", ""))
        yield from table(schema, self._link)
        yield ""

    def _find(self, schema: Schema, path: str) -> None:
        found: list[tuple[str, str]] = []
        for field, value in schema["properties"].items():
            for name in references(value):
                if name not in self._paths:
                    self._paths[name] = f"{path}{field}"
                    found.append((name, f"{path}{field}."))
        for name, below in found:
            self._find(self._definitions[name], below)

    def _heading(self, name: str) -> str:
        kind = self._type(name)
        return f"`{self._paths[name]}` of {self._owner}" + (f", type `{kind}`" if kind else "")

    def _link(self, name: str) -> str:
        kind = self._type(name)
        text = f"`{kind}`" if kind else f"`{self._paths[name]}`"
        return f"[{text}](#{anchor(self._heading(name))})"

    def _type(self, name: str) -> str | None:
        return self._definitions[name]["properties"].get("type", {}).get("const")
