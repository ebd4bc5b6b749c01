"""Rows of task files, whatever kind of file they stand in, a few columns at a time and in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from services.command_line.failures import Failure, shown

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the asked columns' values by name (None where there is none).

    `place` says where it stands ("row 3", "line 3"), `position` how far the file has been read, in the unit
    of the file's `total`.
    """

    place: str
    position: int
    values: Mapping[str, Any]


class RowBatch(Protocol):
    """Some rows of a file, one after another."""

    position: int
    """That of the last."""

    def column(self, name: str) -> pa.Array:
        """The values of a column that was asked for; errors of pyarrow's or ValueError if they make none."""
        ...

    def rows(self) -> Iterator[Row]:
        """The rows one by one."""
        ...


class Rows(Protocol):
    """A file's rows. It can be gone through several times."""

    total: int
    """Size in some unit, for a progress bar: rows or bytes."""
    all_text: bool
    """Whether every value is text, because this kind of file knows no other."""

    def __iter__(self) -> Iterator[Row]: ...

    def batches(self, size: int) -> Iterator[RowBatch]:
        """The rows, at most so many at a time."""
        ...


def open_rows(path: Path, columns: Sequence[str] | None = None) -> Rows:
    """The rows of a file, read as its suffix says (`kinds`); without `columns`: all that it has.

    A column's name may be dotted to reach into structs: `reward_model.ground_truth`. A column of exactly
    that name goes first, so `qwen2.5_7b_pass_rate` is not taken apart. Raises `Failure`, here or while
    iterating, if the file cannot be read or has no such column.
    """
    from services.task_files.parquet_file import ParquetRows
    from services.task_files.text_files import CsvRows, JsonArrayRows, JsonLineRows

    kinds = {
        ".parquet": ParquetRows,
        ".jsonl": JsonLineRows,
        ".ndjson": JsonLineRows,
        ".json": JsonArrayRows,
        ".csv": CsvRows,
    }
    name = path.name.lower()
    kind = kinds.get(Path(name.removesuffix(".gz")).suffix)
    if kind is None or (kind is ParquetRows and name.endswith(".gz")):
        suffixes = f"{', '.join(kinds)}; all but the first also with .gz behind"
        raise Failure(f"FILE: got {path.name!r}; its suffix must be one of {suffixes}")
    return kind(path, columns)


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
