"""The posteriors that `bots replay` compares, as they are named on the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from selector_api.core.config import RunConfig, upgraded
from selector_api.core.fields import to_dict
from selector_api.core.posteriors import PosteriorConfig
from selector_api.core.posteriors.posterior import PosteriorKind
from selector_api.core.tasks import TaskTable
from selector_api.known_fields import KnownFields
from selector_api.near_names import hint, shown
from selector_api.web.exception_handlers import explain_validation
from selector_api.web.schemas.runs import RunRequest
from services.command_line.failures import Failure, needing_extra

OWN = "as it ran"
"""The label of a run's own posterior."""

_config: TypeAdapter[RunConfig] = TypeAdapter(RunRequest)


@dataclass(frozen=True)
class Wanted:
    """A posterior that was named: all of it, or, without a `type`, what is otherwise than in the run's own."""

    label: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, text: str) -> Wanted:
        """What the option says: JSON, or the path of a file.

        Raises:
            Failure: it is neither.
        """
        if text.lstrip().startswith("{"):
            fields = _posterior(_json(text, "--posterior"), "--posterior")
            return cls(_words(fields), fields)
        path = Path(text)
        if path.suffix in (".yaml", ".yml"):
            with needing_extra("trainer"):
                from services.command_line.configuration import load_mapping
            fields = load_mapping(path)
        else:
            try:
                fields = _json(path.read_text(encoding="utf-8"), text)
            except (OSError, UnicodeDecodeError) as error:
                raise Failure(
                    f"--posterior: {text} cannot be read: {error}. Give a file, or JSON such as "
                    '\'{"type": "bots", "forgetting": 0.01}\''
                ) from error
        return cls(path.stem, _posterior(fields, text))

    def under(self, own: PosteriorConfig, table: TaskTable) -> PosteriorKind:
        """The posterior, for a run whose own is `own`, over these tasks.

        Raises:
            Failure: there is no such posterior, or the tasks lack a reference of it.
        """
        fields = self.fields if "type" in self.fields else {**to_dict(own), **self.fields}
        try:
            posterior = _config.validate_python({"pool": "replay", "posterior": fields}).posterior
        except ValidationError as error:
            told = explain_validation(error.errors(), KnownFields.of_type(RunRequest))
            raise Failure(f"--posterior {self.label}: {told}") from error
        for name in missing(posterior, table):
            near = hint(name, table.reference_names)
            raise Failure(
                f"--posterior {self.label}: no task was measured with a reference named {shown(name)}{near}"
            )
        try:
            return posterior.settled(table)
        except ValueError as error:
            raise Failure(f"--posterior {self.label}: {error}") from error


def distinct(texts: Sequence[str]) -> list[Wanted]:
    """What the options say.

    Raises:
        Failure: one says nothing, or two have the same label.
    """
    wanted = [Wanted.of(text) for text in texts]
    labels = [each.label for each in wanted]
    for label in labels:
        if labels.count(label) > 1:
            raise Failure(f"--posterior: two are called {label!r}; leave one out, or rename its file")
    return wanted


def own_of(created: Mapping[str, Any]) -> PosteriorConfig:
    """The posterior of the run whose `created` event this is."""
    return RunConfig.from_dict(created["config"]).posterior


def missing(posterior: PosteriorKind, table: TaskTable) -> list[str]:
    """The references that it reads and the tasks do not have."""
    return [name for name in posterior.references if name not in table.reference_names]


def _json(text: str, place: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure(f"{place}: not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Failure(f"{place}: got {type(fields).__name__}; give an object with a posterior's fields")
    return cast("dict[str, Any]", fields)


def _posterior(fields: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """The posterior in what may be a run's whole configuration."""
    if "posterior" not in fields:
        return fields
    try:
        posterior = upgraded(fields)["posterior"]
    except ValueError as error:
        raise Failure(f"{place}: {error}") from error
    if not isinstance(posterior, Mapping):
        raise Failure(f"{place}: posterior: give an object with its fields")
    return cast("Mapping[str, Any]", posterior)


def _words(fields: Mapping[str, Any]) -> str:
    """A posterior's fields in a few words: `bots forgetting=0.01`."""
    type_ = [str(fields["type"])] if "type" in fields else []
    others = [f"{name}={_word(value)}" for name, value in fields.items() if name != "type"]
    return " ".join([*type_, *others]) or "no change"


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return f"({_words(cast('dict[str, Any]', value))})"
    return ",".join(map(_word, cast("list[Any]", value))) if isinstance(value, list) else str(value)
