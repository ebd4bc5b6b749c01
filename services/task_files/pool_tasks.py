"""Tasks out of task files."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from services.command_line.failures import Failure
from services.command_line.mistakes import words
from services.task_files.plain_columns import plain_tasks
from services.task_files.rows import Row, open_rows, wrong_value
from services.task_files.scales import Scale, fitting, is_absent, number
from services.task_files.task_batch import TaskBatch
from trainer_client import Task

_ROWS_OF_COLUMNS, _ROWS_OF_CONTENT = 16_384, 1_024
"""How many rows are read at a time."""


@dataclass(frozen=True)
class TaskColumns:
    """Which columns a task is made of.

    Its id is the value of the column `id` (of several with commas between: `joined`), or, when `hashed` names
    columns, a hash of theirs (`content_id`); `prefix` goes before it. `references` maps the name of a reference to
    the column of its pass rates, `scales` to how they are written there.
    """

    id: str = "id"
    hashed: Sequence[str] = ()
    prefix: str = ""
    domain: str | None = None
    references: Mapping[str, str] = field(default_factory=dict[str, str])
    scales: Mapping[str, Scale] = field(default_factory=dict[str, Scale])

    @property
    def of_id(self) -> Sequence[str]:
        """The columns that the id is made of."""
        return self.hashed or self.id.split(",")

    def names(self) -> list[str]:
        """Every column that is read, once."""
        domain = [self.domain] if self.domain else []
        return list(dict.fromkeys([*self.of_id, *domain, *self.references.values()]))


class TaskFile:
    """The tasks of a file. Raises `Failure`, here or while iterating, naming the row, column and value."""

    def __init__(self, path: Path, columns: TaskColumns, more: Sequence[str] = ()):
        """A file with these columns; `more` are read beside them."""
        self.path = path
        self.columns = columns
        self.rows = open_rows(path, list(dict.fromkeys([*columns.names(), *more])))
        self.total = self.rows.total
        """Size in some unit, for a progress bar."""

    def __iter__(self) -> Iterator[tuple[int, Task]]:
        """Each row's task, after the position to which the file has been read, in the unit of `total`."""
        for row in self.rows:
            yield row.position, self._task(row)

    def batches(self) -> Iterator[TaskBatch]:
        """The tasks in columns, many at a time."""
        # What ids are hashed from may be long; other columns are short.
        size = _ROWS_OF_CONTENT if self.columns.hashed else _ROWS_OF_COLUMNS
        for rows in self.rows.batches(size):
            plain = plain_tasks(rows, self.columns, self.rows.all_text)
            if plain is None:
                plain = TaskBatch.of([self._task(row) for row in rows.rows()], rows.position)
            yield plain

    def with_rows(self) -> Iterator[tuple[Row, Task]]:
        """Each row, and its task."""
        for row in self.rows:
            yield row, self._task(row)

    def at(self, numbers: Collection[int]) -> dict[int, tuple[str, Task]]:
        """Of the rows with these numbers, from 0 on, the place ("line 3") and the task."""
        found: dict[int, tuple[str, Task]] = {}
        for index, row in enumerate(self.rows):
            if index in numbers:
                found[index] = row.place, self._task(row)
            if len(found) == len(numbers):
                break
        return found

    def _task(self, row: Row) -> Task:
        columns = self.columns
        task = {
            "id": columns.prefix + self._id(row),
            "domain": _text(row.values[columns.domain]) if columns.domain else None,
            "references": dict(self._rates(row)),
        }
        try:
            return Task.model_validate(task, strict=True)
        except ValidationError as error:
            raise self._explained(row, error) from error

    def _id(self, row: Row) -> str:
        """The id without the prefix."""
        columns = self.columns.of_id
        if self.columns.hashed:
            return self._content_id(row)
        parts = [_text(row.values[column]) for column in columns]
        for column, part in zip(columns, parts, strict=True):
            if part is None:
                raise self._failure(
                    row, column, part, "There is no id here; --id names its column, or several"
                )
            if not isinstance(part, str):
                raise self._failure(row, column, part, "An id is text or an integer")
            if not part:
                raise self._failure(row, column, part, "An id has at least 1 character")
        return joined(parts)

    def _rates(self, row: Row) -> Iterator[tuple[str, Any]]:
        """The rates that were measured; what is no rate is left for `Task` to refuse."""
        all_text = self.rows.all_text
        for name, column in self.columns.references.items():
            value = row.values[column]
            scale = self.columns.scales.get(name)
            if is_absent(value, text=all_text):
                continue
            if scale is None:
                yield name, value if isinstance(value, str) and not all_text else number(value)
                continue
            try:
                yield name, scale.rate(value)
            except ValueError as error:
                raise self._failure(row, column, value, str(error)) from error

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

    def _explained(self, row: Row, error: ValidationError) -> Failure:
        """The failure that a row is no task, which names the column that is to blame."""
        first = error.errors(include_url=False)[0]
        reason = words(first).replace("it ", "It ", 1)
        match first["loc"]:
            case ("references", str(name), *_) if name in self.columns.references:
                column = self.columns.references[name]
                value = row.values[column]
                return self._failure(row, column, value, f"{reason}. {fitting(value)}")
            case ("domain", *_):
                return self._failure(row, str(self.columns.domain), first["input"], reason)
            case _:
                return self._failure(row, ",".join(self.columns.of_id), first["input"], reason)

    def _failure(self, row: Row, column: str, value: Any, reason: str) -> Failure:
        return wrong_value(self.path, row, column, value, reason)


def joined(parts: Sequence[str]) -> str:
    """Some columns' values as one id, such as `gsm8k/17`, from which they can be read again.

    Slashes are between them. The first may hold slashes of its own, as `openai/gsm8k` does; in the others they are
    written as `%2F`, and per cent signs as `%25`.
    """
    first, *others = parts
    return "/".join([first, *(part.replace("%", "%25").replace("/", "%2F") for part in others)])


def content_id(value: Any) -> str:
    """An id made from a task's content: the first 32 hex digits of the SHA-256 of its canonical JSON.

    Canonical JSON is ASCII with sorted keys and without spaces. Raises TypeError or ValueError for a value
    without a JSON form, such as bytes or NaN.
    """
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(canonical.encode()).hexdigest()[:32]


def _text(value: Any) -> Any:
    """An integer as decimal digits, a UUID as its text; anything else as it is."""
    return str(value) if type(value) is int or isinstance(value, UUID) else value
