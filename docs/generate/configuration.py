"""docs/reference/configuration.md: every setting, out of the classes that check them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from docs.generate.schema import Schema, anchor, page, paragraphs, references, table
from selector_api.core.config import RunConfig
from selector_api.settings import Settings
from services.experiment.config import Experiment
from services.reference_eval.config import ReferenceEvaluation
from services.trainer.config import TrainerConfig

_HEAD = """# Configuration

Made from the schemas by `make generated`; change the descriptions there. Words are
those of the [glossary](glossary.md).

What is required has to be given. Whoever checks a configuration names the field that is wrong.
"""
_PARTS = {
    "a run": (RunConfig, "The body of `PUT /runs/{run}`."),
    "the trainer": (
        TrainerConfig,
        "The file of `bots train CONFIG.yaml`, see [training](../how-to/training.md#training).",
    ),
    "a reference evaluation": (
        ReferenceEvaluation,
        "The file of `bots measure CONFIG.yaml`, see [references](../how-to/training.md#references).",
    ),
    "an experiment": (
        Experiment,
        "The file of `bots experiment run CONFIG.yaml`, see [experiments](../how-to/training.md#experiments).",
    ),
}


def configuration() -> str:
    """The text of the page."""
    lines = [_HEAD, *_service()]
    shown: dict[str, _Shown] = {}
    """By the name of a definition."""
    for owner, (kind, said) in _PARTS.items():
        schema = TypeAdapter[Any](kind).json_schema()
        if kind is RunConfig:
            _fill(schema, schema["$defs"], RunConfig(pool="any").to_dict())
        lines += (f"## {owner.capitalize()}", "", said, "", *_Part(owner, schema, shown).lines())
    return page(lines)


def headings_of_a_run() -> dict[str, str]:
    """The headings below which the page shows what a run is configured with, by the names of the definitions."""
    shown: dict[str, _Shown] = {}
    _Part("a run", TypeAdapter(RunConfig).json_schema(), shown)
    return {RunConfig.__name__: "A run"} | {name: section.heading for name, section in shown.items()}


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


def _fill(schema: dict[str, Any], definitions: Mapping[str, Any], default: Mapping[str, Any]) -> None:
    """Tell the kind that a part has by default, where a factory makes it, of which JSON schemas say nothing."""
    for name, field in schema["properties"].items():
        value = default.get(name)
        if isinstance(value, Mapping) and "default" not in field:
            field["default"] = {"type": value["type"]}
            for each in references(field):
                if _type(definitions[each]) == value["type"]:
                    _fill(definitions[each], definitions, value)


def _type(definition: Schema) -> str | None:
    return definition["properties"].get("type", {}).get("const")


@dataclass(frozen=True)
class _Shown:
    """A section that is on the page: its heading, and the definition that it shows."""

    heading: str
    definition: Schema


class _Part:
    """One configuration: its root, then each section below it that is not on the page yet, a table each."""

    def __init__(self, owner: str, schema: Schema, shown: dict[str, _Shown]) -> None:
        self._owner = owner
        self._root = schema
        self._definitions: dict[str, Any] = schema.get("$defs", {})
        self._paths: dict[str, str] = {}
        """Where a definition stands first: its path from the root."""
        self._shown = shown
        self._find(schema, "")

    def lines(self) -> Iterator[str]:
        """The lines below the part's own heading."""
        yield from self._body(self._root)
        for name in self._paths:
            if self._shown[name].heading == self._heading(name):
                yield f"### {self._heading(name)}"
                yield ""
                yield from self._body(self._definitions[name])

    def _body(self, schema: Schema) -> Iterator[str]:
        yield from paragraphs(schema.get("description", ""))
        yield from table(schema, self._link)
        yield ""

    def _find(self, schema: Schema, path: str) -> None:
        """Note what is below a section: first its own fields, then what is below those."""
        found: list[tuple[str, str]] = []
        for field, value in schema["properties"].items():
            for name in references(value):
                if name not in self._paths:
                    self._paths[name] = f"{path}{field}"
                    found.append((name, f"{path}{field}."))
        for name, below in found:
            definition = self._definitions[name]
            if name not in self._shown or self._shown[name].definition != definition:
                self._shown[name] = _Shown(self._heading(name), definition)
            self._find(definition, below)

    def _heading(self, name: str) -> str:
        kind = _type(self._definitions[name])
        return f"`{self._paths[name]}` of {self._owner}" + (f", type `{kind}`" if kind else "")

    def _link(self, name: str) -> str:
        text = _type(self._definitions[name]) or self._paths[name]
        return f"[`{text}`](#{anchor(self._shown[name].heading)})"
