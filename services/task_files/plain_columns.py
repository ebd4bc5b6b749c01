"""Rows that are plainly tasks, made so by columns instead of one by one.

What is not plain, or wrong, is left to `TaskFile`, which takes each row by itself and says what is wrong with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from services.task_files.task_batch import TaskBatch

if TYPE_CHECKING:
    import pyarrow as pa

    from services.task_files.pool_tasks import TaskColumns
    from services.task_files.rows import RowBatch
    from services.task_files.scales import Scale

_LONGEST = 256
_UUID_BYTES = 16


class _NotPlain(Exception):
    """Something is not plainly as it has to be."""


def plain_tasks(rows: RowBatch, columns: TaskColumns, all_text: bool) -> TaskBatch | None:
    """The rows as tasks; None if something about one of them is not plain."""
    import pyarrow as pa

    if columns.hashed:
        return None
    try:
        ids = _joined([_text(rows.column(name)) for name in columns.of_id], columns.prefix)
        _check_lengths(ids)
        domains = pa.nulls(len(ids), pa.string())
        if columns.domain is not None:
            domains = _text(rows.column(columns.domain), nullable=True)
            _check_lengths(domains.drop_null())
        references: dict[str, Any] = {}
        for name, column in columns.references.items():
            rates = _rates(rows.column(column), columns.scales.get(name), all_text)
            if not np.isnan(rates).all():
                references[name] = rates
    except (_NotPlain, pa.ArrowException, TypeError, ValueError, OverflowError):
        return None
    return TaskBatch(ids, domains.dictionary_encode(), references, rows.position)


def _text(column: pa.Array, nullable: bool = False) -> pa.StringArray:
    """Text as it is; integers and UUIDs as theirs."""
    import pyarrow as pa

    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    kind = column.type
    if column.null_count and not nullable:
        raise _NotPlain
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width == _UUID_BYTES:
        texts = [None if value is None else str(UUID(bytes=value)) for value in column.to_pylist()]
        return pa.array(texts, pa.string())
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not (is_text or pa.types.is_integer(kind) or (nullable and pa.types.is_null(kind))):
        raise _NotPlain
    return column.cast(pa.string())


def _joined(parts: list[pa.StringArray], prefix: str) -> pa.StringArray:
    """See `pool_tasks.joined`, before which the prefix goes."""
    import pyarrow as pa

    first, *others = parts
    if not others and not prefix:
        return first
    for part in parts:
        _check_lengths(part)
    ids = _concatenated(first, *(_escaped(part) for part in others), between="/") if others else first
    return _concatenated(pa.scalar(prefix), ids) if prefix else ids


def _escaped(texts: pa.StringArray) -> pa.StringArray:
    import pyarrow.compute as pc

    for character, code in (("%", "%25"), ("/", "%2F")):
        options = pc.ReplaceSubstringOptions(pattern=character, replacement=code)
        texts = pc.call_function("replace_substring", [texts], options)
    return texts


def _concatenated(*parts: pa.StringArray | pa.StringScalar, between: str = "") -> pa.StringArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.call_function("binary_join_element_wise", [*parts, pa.scalar(between)])


def _check_lengths(texts: pa.StringArray) -> None:
    import pyarrow.compute as pc

    found = pc.call_function("min_max", [pc.call_function("utf8_length", [texts])]).as_py()
    if len(texts) and not 1 <= found["min"] <= found["max"] <= _LONGEST:
        raise _NotPlain


def _rates(column: pa.Array, scale: Scale | None, all_text: bool) -> Any:
    """Pass rates from 0 to 1, NaN where there is none."""
    import pyarrow as pa

    kind = column.type
    is_number = pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind)
    if not (is_number or pa.types.is_null(kind) or (all_text and scale is None and pa.types.is_string(kind))):
        raise _NotPlain
    numbers = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if scale is not None:
        numbers = scale.rates(numbers)
    measured = numbers[~np.isnan(numbers)]
    if not np.all((measured >= 0) & (measured <= 1)):
        raise _NotPlain
    return numbers
