"""docs/reference/api.md: the calls of the service, out of docs/openapi.json."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docs.generate.configuration import headings_of_a_run
from docs.generate.schema import WIDTH, Schema, anchor, page, paragraphs, references, table, takes

OPENAPI = Path(__file__).parents[1] / "openapi.json"

_HEAD = """# The API

Made from [openapi.json](../openapi.json) by `make generated`. A running service shows the same at `/docs`.
Words are those of the [glossary](glossary.md).
"""
_FIRST = ("training", "runs", "pools")
"""The tags of the calls that are shown first."""
_CONFIGURED = headings_of_a_run()
"""What the page of configurations shows: headings there, by the names of definitions."""
_PROBLEM = re.compile(r"`([a-z-]+)`: ([^;]*)")


@dataclass(frozen=True)
class _Call:
    """A call, as the document has it."""

    method: str
    path: str
    operation: Mapping[str, Any]

    @property
    def heading(self) -> str:
        return f"`{self.method.upper()} {self.path}`"

    @property
    def summary(self) -> str:
        """The first paragraph of its description."""
        return " ".join(self.operation["description"].partition("\n\n")[0].split())

    @property
    def place(self) -> int:
        """Where it is shown: first what a training step does."""
        (tag,) = self.operation["tags"]
        return _FIRST.index(tag) if tag in _FIRST else len(_FIRST)

    @property
    def scope(self) -> str:
        scopes = [
            scope for each in self.operation.get("security", ()) for names in each.values() for scope in names
        ]
        return f"`{scopes[0]}`" if scopes else "none"

    @property
    def problems(self) -> dict[str, tuple[str, str]]:
        """Status and title of the problems that it can answer, by code."""
        return {
            code: (status, title)
            for status, answer in self.operation["responses"].items()
            for code, title in _PROBLEM.findall(answer["description"] if _is_problem(answer) else "")
        }

    def body(self) -> Iterator[str]:
        """What it takes: media types with what stands in them."""
        yield from _contents(self.operation.get("requestBody", {}))

    def answers(self) -> Iterator[str]:
        """What it answers if all is well: statuses with what stands in them."""
        for status, answer in self.operation["responses"].items():
            if not _is_problem(answer):
                yield " ".join(filter(None, (status, " or ".join(_contents(answer)))))


def api(document: Mapping[str, Any]) -> str:
    """The text of the page."""
    calls = [
        _Call(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    calls.sort(key=lambda call: call.place)
    of_any = set.intersection(*(set(call.problems) for call in calls if "security" in call.operation))
    lines = [_HEAD, *paragraphs(document["info"]["description"])]
    lines += _overview(calls)
    for call in calls:
        lines += _call(call, of_any)
    return page([*lines, *_problems(calls, of_any), *_shapes(document["components"]["schemas"])])


def read() -> Mapping[str, Any]:
    """The OpenAPI document that the repository holds."""
    return json.loads(OPENAPI.read_text(encoding="utf-8"))


def _overview(calls: list[_Call]) -> Iterator[str]:
    yield from ("## Calls", "", "| call | scope | |", "|---|---|---|")
    for call in calls:
        link = f"[{call.heading}](#{anchor(call.heading)})"
        yield f"| {link} | {call.scope} | {call.summary} |"
    yield ""


def _call(call: _Call, of_any: set[str]) -> Iterator[str]:
    yield from (f"### {call.heading}", "")
    yield from paragraphs(call.operation["description"])
    own = sorted(f"{status} `{code}`" for code, (status, _) in call.problems.items() if code not in of_any)
    said = {"Body": " or ".join(call.body()), "Answer": ", ".join(call.answers()), "Problems": ", ".join(own)}
    for word, text in said.items():
        if text:
            yield from textwrap.wrap(
                f"* {word}: {text}", WIDTH, subsequent_indent="  ", break_on_hyphens=False
            )
    yield ""
    parameters = [each for each in call.operation.get("parameters", ()) if each["in"] == "query"]
    if parameters:
        fields = {each["name"]: each["schema"] for each in parameters}
        required = [each["name"] for each in parameters if each["required"]]
        yield from table({"properties": fields, "required": required}, _link)
        yield ""


def _problems(calls: list[_Call], of_any: set[str]) -> Iterator[str]:
    """All problems, those that any call can meet first."""
    yield from ("## Problems", "")
    yield from paragraphs(
        "Errors are `application/problem+json` ([ProblemDocument](#problemdocument)) with one of these codes."
    )
    yield from ("| code | status | means | answered by |", "|---|---|---|---|")
    known = {code: problem for call in calls for code, problem in call.problems.items()}
    for code in sorted(known, key=lambda code: (code not in of_any, known[code], code)):
        status, title = known[code]
        callers = [call.heading for call in calls if code in call.problems]
        yield f"| `{code}` | {status} | {title} | {'any call' if code in of_any else ', '.join(callers)} |"
    yield ""


def _shapes(schemas: Mapping[str, Schema]) -> Iterator[str]:
    yield from ("## Bodies and answers", "")
    for name in sorted(schemas.keys() - _CONFIGURED.keys()):
        yield from (f"### {name}", "")
        yield from paragraphs(schemas[name].get("description", ""))
        yield from table(schemas[name], _link)
        yield ""


def _contents(holder: Mapping[str, Any]) -> Iterator[str]:
    for media_type, content in holder.get("content", {}).items():
        schema = content.get("schema", {})
        known = list(references(schema))
        text = takes(schema, _link) if known else ""
        yield text if media_type == "application/json" else " ".join(filter(None, (f"`{media_type}`", text)))


def _is_problem(answer: Mapping[str, Any]) -> bool:
    return "application/problem+json" in answer.get("content", {})


def _link(name: str) -> str:
    page, heading = ("configuration.md", _CONFIGURED[name]) if name in _CONFIGURED else ("", name)
    return f"[{name}]({page}#{anchor(heading)})"
