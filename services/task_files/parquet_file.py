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
        for batch in self.batches(BATCH_ROWS):
            yield from batch.rows()

    def batches(self, size: int) -> Iterator[_Batch]:
        """The rows, at most so many at a time."""
        number = 0
        with _opened(self.path) as file:
            for batch in file.iter_batches(size, columns=self._read, use_threads=False):
                yield _Batch(batch, number, self.columns, self._uuids)
                number += len(batch)

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


class _Batch:
    """Some rows of a Parquet file, of which so many come before."""

    def __init__(self, batch: pa.RecordBatch, before: int, columns: Sequence[str], uuids: Sequence[str]):
        self._batch = batch
        self._before = before
        self._columns = columns
        self._uuids = uuids
        self.position = before + len(batch)

    def column(self, name: str) -> pa.Array:
        """The values of a column; ValueError if it is not simply one of the file's or of a struct's."""
        import pyarrow as pa

        if name in self._batch.schema.names:
            return self._batch.column(name)
        for column in sorted(self._batch.schema.names, key=len):
            if name.startswith(column + "."):
                inside = name.removeprefix(column + ".")
                struct = self._batch.column(column)
                index = struct.type.get_field_index(inside) if isinstance(struct, pa.StructArray) else -1
                if index >= 0:
                    return struct.flatten()[index]
        raise ValueError(name)

    def rows(self) -> Iterator[Row]:
        """The rows one by one."""
        records = self._batch.to_pylist(maps_as_pydicts="strict")
        for number, record in enumerate(records, self._before + 1):
            values = {column: find(record, column)[1] for column in self._columns}
            for column in self._uuids:
                if isinstance(values[column], bytes):
                    values[column] = UUID(bytes=values[column])
            yield Row(f"row {number}", number, values)


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
