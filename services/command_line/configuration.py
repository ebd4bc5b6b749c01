"""YAML files as checked configurations, for everything in `services/` that is started with one.

A file may say `extends: other.yaml` (a path relative to itself) and then holds only what differs: mappings are
merged, everything else is replaced, and null takes a member away. A mapping whose `type` differs from that of the
mapping it would be merged into replaces it as a whole, since the members of one type mean nothing to another.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from services.command_line.failures import Failure, of_file
from services.command_line.mistakes import mistakes

EXTENDS = "extends"


class Section(BaseModel):
    """A part of a configuration: a member that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Config = TypeVar("Config", bound=Section)


def load(path: Path, kind: type[Config]) -> Config:
    """Read a file, with what it extends, as a `kind`. Raises `Failure` naming the file, the field and its value."""
    return checked(load_mapping(path), kind, path)


def checked(mapping: Mapping[str, Any], kind: type[Config], path: Path) -> Config:
    """A mapping that was read from `path` as a `kind`. Raises `Failure` naming every field that is wrong."""
    try:
        return kind.model_validate(mapping)
    except ValidationError as error:
        raise Failure(f"{path}: " + "\n  ".join(mistakes(error, kind))) from error


def load_mapping(path: Path) -> dict[str, Any]:
    """Read a file, with what it extends, as a mapping. Raises `Failure`."""
    return _read(path, ())


def save_mapping(path: Path, mapping: Mapping[str, Any]) -> None:
    """Write a mapping of JSON values as YAML."""
    path.write_text(yaml.safe_dump(dict(mapping), sort_keys=False, allow_unicode=True), encoding="utf-8")


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The base with the changes made; see the module's docstring for the rules."""
    if "type" in changes and "type" in base and changes["type"] != base["type"]:
        base = {}
    merged = dict(base)
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            below = merged.get(name)
            merged[name] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def _read(path: Path, extended_by: tuple[Path, ...]) -> dict[str, Any]:
    path = path.resolve()
    if path in extended_by:
        raise Failure(f"{path}: extends itself, by way of {extended_by[-1]}")
    try:
        mapping = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}", of_file(error)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Failure(f"{path}: not YAML: {error}") from error
    if not isinstance(mapping, dict):
        raise Failure(f"{path}: got a YAML {type(mapping).__name__}; give a mapping of sections")
    base = mapping.pop(EXTENDS, None)
    if base is None:
        return merge({}, mapping)
    if not isinstance(base, str):
        raise Failure(f"{path}, {EXTENDS}: got {base!r}; give the path of a YAML file")
    return merge(_read(path.parent / base, (*extended_by, path)), mapping)
