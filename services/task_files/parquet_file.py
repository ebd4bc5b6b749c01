"""Rows of Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.command_line.failures import Failure
from services.task_files.rows import Row, find, no_column

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1024
BUFFER_BYTES = 2**20
UUID_BYTES = 16


class ParquetRows:
    """The rows of a Parquet file; only the asked columns are read, so others may be of any type. None: all.

    UUIDs come as such, also out of a column of 16 bytes, as which Parquet stores them. A map is read as a struct of
    its keys: `references.weak` of the tasks as `GET /pools/{pool}/tasks` answers them.
    """

    all_text = False

    def __init__(self, path: Path, columns: Sequence[str] | None = None):
        self.path = path
        with _opened(path) as file:
            self.total = file.metadata.num_rows
            schema: pa.Schema = file.schema_arrow
        types = {name: kind for field in schema for name, kind in _paths(field.name, field.type)}
        self.columns = schema.names if columns is None else columns
        for column in self.columns:
            if column not in types and not self._is_key(column, _map_of(column, types)):
                raise no_column(path, column, schema.names)
        self._read = list(dict.fromkeys(_map_of(column, types) or column for column in self.columns))
        self._uuids = [column for column in self.columns if column in types and _is_uuid(types[column])]

    def __iter__(self) -> Iterator[Row]:
        number = 0
        with _opened(self.path) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=self._read):
                for record in batch.to_pylist(maps_as_pydicts="strict"):
                    number += 1
                    values = {column: find(record, column)[1] for column in self.columns}
                    for column in self._uuids:
                        if isinstance(values[column], bytes):
                            values[column] = UUID(bytes=values[column])
                    yield Row(f"row {number}", number, values)

    def _is_key(self, column: str, map_: str | None) -> bool:
        """Whether a column names a key that this map has in some row."""
        if map_ is None:
            return False
        with _opened(self.path) as file:
            return any(
                find(record, column)[0]
                for batch in file.iter_batches(BATCH_ROWS, columns=[map_])
                for record in batch.to_pylist(maps_as_pydicts="strict")
            )


def _map_of(column: str, types: Mapping[str, pa.DataType]) -> str | None:
    """The map that a dotted name reaches into; None if it is a column's, or reaches into none."""
    import pyarrow as pa

    parts = column.split(".")
    above = [".".join(parts[:end]) for end in range(1, len(parts))] if column not in types else []
    return next((name for name in above if name in types and pa.types.is_map(types[name])), None)


def _paths(name: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    """A column and all that structs in it hold, by dotted name."""
    import pyarrow as pa

    yield name, kind
    if pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            field = kind.field(number)
            yield from _paths(f"{name}.{field.name}", field.type)


def _is_uuid(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_fixed_size_binary(kind) and kind.byte_width == UUID_BYTES


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The opened file; what pyarrow cannot do with it is a `Failure`."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        # Reads each column chunk in pieces of this size instead of as a whole.
        with ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
            yield file
    except (ArrowException, OSError) as error:
        raise Failure(f"{path}: not readable as Parquet: {error}") from error
