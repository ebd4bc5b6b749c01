"""Tasks in Arrow's columns, as the columns that a pool takes, without a Python object for any row.

What is not plainly as it has to be is left to the reader of rows, which says what is wrong.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from selector_api.core.arrays import CodeArray, FloatArray
from selector_api.core.task_rows import UNTOLD, TaskRows
from selector_api.core.texts import Texts
from selector_api.store.arrow_columns import names_of, texts_of
from selector_api.store.task_chunks import MAX_REFERENCES

_LONGEST = 256
_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint8).reshape(256, 2)
_UUID_HYPHENS = (8, 13, 18, 23)
_UUID_LENGTH = 36


class _NotPlain(Exception):
    """Something is not as it has to be, or might not be."""


def task_columns(table: pa.Table) -> TaskRows | None:
    """The tasks of a table with a column `id` and perhaps `domain` and `references`, its texts in dictionaries.

    None if one of them is not in order, or if there is none.

    Raises:
        pa.ArrowException: the table is damaged.
    """
    if not table.num_rows:
        return None
    try:
        table.validate(full=True)
        ids = _texts(table["id"].combine_chunks())
        names, codes = (), np.full(len(ids), UNTOLD, np.int32)
        if "domain" in table.column_names:
            names, codes = _domains(table["domain"].combine_chunks(), codes)
        references: dict[str, FloatArray] = {}
        if "references" in table.column_names:
            references = _references(table["references"].combine_chunks())
    except _NotPlain:
        return None
    return TaskRows(ids, names, codes, references)


def _texts(column: pa.Array) -> Texts:
    """A column of ids or names without nulls."""
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if column.null_count or pa.types.is_null(column.type):
        raise _NotPlain
    if pa.types.is_fixed_size_binary(column.type):
        return _uuids(column)
    texts = column.cast(pa.string())
    lengths = pc.call_function("min_max", [pc.call_function("utf8_length", [texts])])
    if len(texts) and not 1 <= lengths["min"].as_py() <= lengths["max"].as_py() <= _LONGEST:
        raise _NotPlain
    return texts_of(texts)


def _uuids(column: pa.FixedSizeBinaryArray) -> Texts:
    """The text of each UUID, such as 123e4567-e89b-12d3-a456-426614174000."""
    raw = np.frombuffer(column.buffers()[1], np.uint8).reshape(-1, 16)[column.offset :][: len(column)]
    text = np.full((len(column), _UUID_LENGTH), ord("-"), np.uint8)
    text[:, np.delete(np.arange(_UUID_LENGTH), _UUID_HYPHENS)] = _HEX[raw].reshape(-1, 32)
    return Texts(text.ravel(), np.arange(1, len(column) + 1) * _UUID_LENGTH)


def _domains(column: pa.Array, untold: CodeArray) -> tuple[tuple[str, ...], CodeArray]:
    if pa.types.is_null(column.type):
        return (), untold
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if not isinstance(column, pa.DictionaryArray):
        column = column.dictionary_encode()
    if column.dictionary.null_count:
        raise _NotPlain
    names = tuple(_texts(column.dictionary))
    if len(set(names)) < len(names):
        raise _NotPlain
    return names, names_of(column)[1]


def _references(column: pa.Array) -> dict[str, FloatArray]:
    """The references in the order in which they appear, row by row; those that no row has are none."""
    if pa.types.is_null(column.type):
        return {}
    columns = _of_maps(column) if pa.types.is_map(column.type) else _of_structs(column)
    first = {name: int(np.argmax(known)) for name, (known, _) in columns.items() if known.any()}
    if len(first) > MAX_REFERENCES or any(not 1 <= len(name) <= _LONGEST for name in first):
        raise _NotPlain
    references: dict[str, FloatArray] = {}
    for name in sorted(first, key=lambda name: first[name]):
        known, rates = columns[name]
        if not np.all((rates[known] >= 0) & (rates[known] <= 1)):  # NaN is not
            raise _NotPlain
        references[name] = np.where(known, rates, np.nan)
    return references


def _of_structs(column: pa.StructArray) -> dict[str, tuple[np.ndarray, FloatArray]]:
    """By reference, where there is a rate, and the rates."""
    names = [column.type.field(index).name for index in range(column.type.num_fields)]
    if len(set(names)) < len(names):
        raise _NotPlain
    return {name: _rates(values) for name, values in zip(names, column.flatten(), strict=True)}


def _of_maps(column: pa.MapArray) -> dict[str, tuple[np.ndarray, FloatArray]]:
    """The same of a column of maps."""
    offsets = column.offsets.to_numpy()
    counts = np.diff(offsets)
    if np.any(counts[column.is_null().to_numpy(zero_copy_only=False)]):
        raise _NotPlain
    start, size = int(offsets[0]), int(offsets[-1] - offsets[0])
    keys = column.keys.slice(start, size)
    if not isinstance(keys, pa.DictionaryArray):
        keys = keys.dictionary_encode()
    known, values = _rates(column.items.slice(start, size))
    names, codes = names_of(keys)
    rows = np.repeat(np.arange(len(column)), counts)
    places = rows * max(len(names), 1) + codes
    if len(set(names)) < len(names) or len(np.unique(places)) < len(places):
        raise _NotPlain
    columns: dict[str, tuple[np.ndarray, FloatArray]] = {}
    for code, name in enumerate(names):
        mine = codes == code
        has, rates = np.zeros(len(column), np.bool_), np.full(len(column), np.nan)
        has[rows[mine]], rates[rows[mine]] = known[mine], values[mine]
        columns[name] = has, rates
    return columns


def _rates(column: pa.Array) -> tuple[np.ndarray, FloatArray]:
    known = column.is_valid().to_numpy(zero_copy_only=False)
    return known, column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
