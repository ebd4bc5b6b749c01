"""Rows of Parquet and JSONL files, a few columns at a time and in bounded memory."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from services.command_line.failures import MISTAKE, Failure, shown

BATCH_ROWS = 1024
BUFFER_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the asked columns' values by name (None where there is none).

    `place` says where it stands ("row 3", "line 3"), `position` how far the file has been read, in the unit
    of the file's `total`.
    """

    place: str
    position: int
    values: Mapping[str, Any]


class Rows(Protocol):
    """A file's rows. It can be gone through several times."""

    total: int
    """Size in some unit, for a progress bar: rows or bytes."""

    def __iter__(self) -> Iterator[Row]: ...


def open_rows(path: Path, columns: Sequence[str]) -> Rows:
    """The rows of a file, read as its suffix says (.parquet, .jsonl or .ndjson).

    A column's name may be dotted to reach into structs: `reward_model.ground_truth`. A column of exactly
    that name goes first, so `qwen2.5_7b_pass_rate` is not taken apart. Raises `Failure`, here or while
    iterating, if the file cannot be read or has no such column.
    """
    kinds = {".parquet": ParquetRows, ".jsonl": JsonRows, ".ndjson": JsonRows}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise Failure(f"FILE: got {path.name!r}; its suffix must be one of {', '.join(kinds)}", MISTAKE)
    return kind(path, columns)


class ParquetRows:
    """The rows of a Parquet file; only the asked columns are read, so others may be of any type. None: all."""

    def __init__(self, path: Path, columns: Sequence[str] | None = None):
        self.path = path
        with _parquet(path) as file:
            self.total = file.metadata.num_rows
            leaves = [file.schema.column(i).path.split(".") for i in range(len(file.schema))]
            top = file.schema_arrow.names
        self.columns = top if columns is None else columns
        known = {".".join(leaf[:depth]) for leaf in leaves for depth in range(1, len(leaf) + 1)}
        for column in self.columns:
            if column not in known:
                raise no_column(path, column, top)

    def __iter__(self) -> Iterator[Row]:
        number = 0
        with _parquet(self.path) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=list(self.columns)):
                for record in batch.to_pylist():
                    number += 1
                    values = {column: find(record, column)[1] for column in self.columns}
                    yield Row(f"row {number}", number, values)


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    """The opened file; what pyarrow cannot do with it is a `Failure`."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        # Reads each column chunk in pieces of this size instead of as a whole.
        with ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
            yield file
    except (ArrowException, OSError) as error:
        raise Failure(f"{path}: not readable as Parquet: {error}") from error


class JsonRows:
    """The rows of a file with a JSON object on each line; empty lines are skipped.

    A row without one of the columns has None there. A column that no row has is a `Failure`, at the end.
    """

    def __init__(self, path: Path, columns: Sequence[str]):
        self.path = path
        self.columns = columns
        self.total = path.stat().st_size

    def __iter__(self) -> Iterator[Row]:
        position = 0
        unseen = set(self.columns)
        record: dict[str, Any] = {}
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                position += len(line)
                if line.isspace():
                    continue
                place = f"line {number}"
                record = self._record(place, line)
                values = {}
                for column in self.columns:
                    found, values[column] = find(record, column)
                    if found:
                        unseen.discard(column)
                yield Row(place, position, values)
        if record and unseen:
            raise no_column(self.path, min(unseen), list(record))

    def _record(self, place: str, line: bytes) -> dict[str, Any]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Failure(f"{self.path}, {place}: not JSON: {error}") from error
        if not isinstance(record, dict):
            raise Failure(f"{self.path}, {place}: got a JSON {type(record).__name__}; give an object a line")
        return record


def no_column(path: Path, column: str, columns: Sequence[str]) -> Failure:
    """The failure that a file has no such column."""
    return Failure(f"{path}: no column {column!r}; it has {', '.join(columns)}")


def wrong_value(path: Path, row: Row, column: str, value: Any, reason: str) -> Failure:
    """The failure that a row has this value in a column."""
    return Failure(f"{path}, {row.place}, column {column!r}: got {shown(value)}. {reason}")


def find(record: Mapping[str, Any], column: str) -> tuple[bool, Any]:
    """Whether a record has a column (a dotted name: also inside of structs), and its value there."""
    if column in record:
        return True, record[column]
    end = column.find(".")
    while end >= 0:
        inner = record.get(column[:end])
        if isinstance(inner, dict):
            found, value = find(inner, column[end + 1 :])
            if found:
                return True, value
        end = column.find(".", end + 1)
    return False, None
