"""Tasks out of Parquet and JSONL files."""

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from services.command_line.failures import Failure
from services.task_files.rows import Row, open_rows, wrong_value
from trainer_client import Task


@dataclass(frozen=True)
class TaskColumns:
    """Which columns a task is made of.

    Its id is the value of the column `id`, or, when `hashed` names columns, a hash of theirs (`content_id`).
    `references` maps the name of a reference to the column of its pass rates.
    """

    id: str = "id"
    hashed: Sequence[str] = ()
    domain: str | None = None
    references: dict[str, str] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Every column that is read, once."""
        domain = [self.domain] if self.domain else []
        return list(dict.fromkeys([*(self.hashed or [self.id]), *domain, *self.references.values()]))

    def of_field(self, location: Sequence[int | str]) -> str:
        """The column that a field of a task comes from, such as ("references", "weak")."""
        if location[0] == "id":
            return self.id
        if location[0] == "domain":
            return str(self.domain)
        return self.references.get(str(location[1]), str(location[1]))


class Census(NamedTuple):
    """How many rows a file has, and how many of them repeat the id of another."""

    rows: int
    repeated: int


class TaskFile:
    """The tasks of a file. Raises `Failure`, here or while iterating, naming the row, column and value."""

    def __init__(self, path: Path, columns: TaskColumns):
        self.path = path
        self.columns = columns
        self.rows = open_rows(path, columns.names())
        self.total = self.rows.total
        """Size in some unit, for a progress bar."""

    def __iter__(self) -> Iterator[tuple[int, Task]]:
        """Each row's task, after the position to which the file has been read, in the unit of `total`."""
        for row in self.rows:
            yield row.position, self._task(row)

    def _task(self, row: Row) -> Task:
        columns = self.columns
        task = {
            "id": self._content_id(row) if columns.hashed else _text(row.values[columns.id]),
            "domain": _text(row.values[columns.domain]) if columns.domain else None,
            "references": {
                name: row.values[column]
                for name, column in columns.references.items()
                if row.values[column] is not None
            },
        }
        try:
            return Task.model_validate(task, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            column = columns.of_field(first["loc"])
            raise self._failure(row, column, first["input"], first["msg"]) from error

    def _content_id(self, row: Row) -> str:
        values = [row.values[column] for column in self.columns.hashed]
        content = values[0] if len(values) == 1 else values
        named = ",".join(self.columns.hashed)
        if all(value is None for value in values):
            raise self._failure(row, named, None, "There is nothing to make an id from")
        try:
            return content_id(content)
        except (TypeError, ValueError) as error:
            raise self._failure(row, named, content, f"It has no JSON form: {error}") from error

    def _failure(self, row: Row, column: str, value: Any, reason: str) -> Failure:
        return wrong_value(self.path, row, column, value, reason)


def content_id(value: Any) -> str:
    """An id made from a task's content: the first 32 hex digits of the SHA-256 of its canonical JSON.

    Canonical JSON is ASCII with sorted keys and without spaces. Raises TypeError or ValueError for a value
    without a JSON form, such as bytes or NaN.
    """
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(canonical.encode()).hexdigest()[:32]


def count(tasks: Iterator[Task]) -> Census:
    """Count tasks and repeated ids in 8 bytes of memory a task: by 64-bit digests, so all but certainly."""
    import numpy as np

    digests = array("Q")
    for task in tasks:
        digests.append(int.from_bytes(blake2b(task.id.encode(), digest_size=8).digest()))
    return Census(len(digests), len(digests) - len(np.unique(np.asarray(digests))))


def _text(value: Any) -> Any:
    """An integer as decimal digits; anything else as it is."""
    return str(value) if type(value) is int else value
