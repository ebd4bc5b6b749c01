"""The task file again, as Parquet, with one more column: the pass rates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.command_line.failures import Failure, of_file
from services.command_line.output import replacing
from services.reference_eval.config import ReferenceEvaluation
from services.task_files.pool_tasks import TaskFile
from services.task_files.rows import open_rows
from services.task_files.tasks import TaskSource

if TYPE_CHECKING:
    import pyarrow as pa


def check(config: ReferenceEvaluation) -> None:
    """Raise `Failure` now if `write` would in the end; every row is looked at, also those beyond `tasks.limit`."""
    try:
        for _ in _ids(config.tasks):
            pass
        with _opened(config):
            pass
    except OSError as error:
        raise Failure(
            f"tasks.file: {config.tasks.file}: {error.strerror or error}", of_file(error)
        ) from error


def write(config: ReferenceEvaluation, rates: Mapping[str, float]) -> None:
    """Write the output: all rows and columns of the task file, and each row's rate by its task's id.

    A row whose task has none (one beyond `tasks.limit`) gets null. Raises `Failure` if it cannot be written.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    field = pa.field(config.rate_column, pa.float64())
    ids = _ids(config.tasks)
    with (
        _opened(config) as (schema, tables),
        replacing(config.output) as unfinished,
        ParquetWriter(unfinished, schema.append(field)) as writer,
    ):
        for table in tables:
            column = pa.array([rates.get(task) for task in islice(ids, table.num_rows)], field.type)
            writer.write_table(table.append_column(field, column))


def _ids(source: TaskSource) -> Iterator[str]:
    """The id of every row's task."""
    columns = replace(source.columns(), domain=None, references={})
    return (task.id for _, task in TaskFile(source.file, columns))


@contextmanager
def _opened(config: ReferenceEvaluation) -> Iterator[tuple[pa.Schema, Iterator[pa.Table]]]:
    """The task file's schema and its rows, table by table."""
    from pyarrow.parquet import ParquetFile

    path = config.tasks.file
    if path.suffix.lower() == ".parquet":
        with ParquetFile(path) as file:
            schema = file.schema_arrow
            _check_new(config.rate_column, schema, path)
            yield schema, (file.read_row_group(number) for number in range(file.num_row_groups))
    else:
        table = _table(config.tasks)
        _check_new(config.rate_column, table.schema, path)
        yield table.schema, iter([table])


def _check_new(column: str, schema: pa.Schema, path: Path) -> None:
    if column in schema.names:
        raise Failure(f"column: {path} has a column {column!r} already; give another name, or another column")


def _table(source: TaskSource) -> pa.Table:
    """The rows of a file of text. A column that no Arrow type holds as it is becomes JSON text.

    Raises `Failure` where that would make other tasks: only an answer that is a mapping or a list may be JSON text
    as well, which rewards read.
    """
    import pyarrow as pa

    records = [row.values for row in open_rows(source.file)]
    columns = {}
    for name in dict.fromkeys(name for record in records for name in record):
        values = [record.get(name) for record in records]
        columns[name] = _array(values)
        if columns[name] is None:
            nested = all(isinstance(value, dict | list) for value in values)
            if _makes_tasks(name, source) and not (name == source.answer and nested):
                raise Failure(
                    f"{source.file}, column {name!r}: its values have no one type that Parquet could hold. "
                    "Give them one in all rows, or give the tasks as Parquet"
                )
            columns[name] = pa.array([None if value is None else json.dumps(value) for value in values])
    return pa.table(columns)


def _makes_tasks(name: str, source: TaskSource) -> bool:
    """Whether a top-level column is one that tasks are made of, or holds one."""
    used = [
        *source.columns().of_id,
        source.prompt,
        source.answer,
        source.domain or "",
    ]
    return any(column == name or column.startswith(f"{name}.") for column in used)


def _array(values: list[Any]) -> pa.Array | None:
    """An array that gives back these very values, if Parquet can hold one."""
    import pyarrow as pa

    try:
        array = pa.array(values)
    except (ValueError, TypeError, OverflowError, pa.ArrowException):
        return None
    return array if _storable(array.type) and array.to_pylist() == values else None


def _storable(kind: pa.DataType) -> bool:
    """Whether Parquet has this type: it has no structs without fields."""
    import pyarrow as pa

    inner = [kind.field(number).type for number in range(kind.num_fields)]
    return all(map(_storable, inner)) and not (pa.types.is_struct(kind) and not inner)
