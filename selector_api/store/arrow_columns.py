"""Columns of tasks between Arrow and numpy, which share their memory."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportAttributeAccessIssue=false
# pyarrow's own types are partial.

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from selector_api.core.arrays import BoolArray, CodeArray
from selector_api.core.texts import Texts


def texts_of(column: pa.StringArray) -> Texts:
    """A column of texts without nulls."""
    _, ends, data = column.buffers()
    if not len(column):
        return Texts.of([])
    all_ends = np.frombuffer(ends, np.int32)[column.offset :][: len(column) + 1].astype(np.int64)
    block = np.frombuffer(b"" if data is None else data, np.uint8)
    return Texts(block[all_ends[0] : all_ends[-1]], all_ends[1:] - all_ends[0])


def array_of(texts: Texts) -> pa.StringArray:
    """The texts, at most 2 GiB of them, for Arrow."""
    ends = np.zeros(len(texts) + 1, np.int32)
    ends[1:] = texts.ends
    data = np.ascontiguousarray(texts.data)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(data))


def containing(texts: Texts, text: str) -> BoolArray:
    """Whether each of these texts has this one somewhere. They are not copied, and other threads go on."""
    ends = np.append(0, texts.ends)
    column = pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(texts.data))
    return pc.match_substring(column, text).to_numpy(zero_copy_only=False)


def names_of(column: pa.DictionaryArray) -> tuple[tuple[str, ...], CodeArray]:
    """The names in a column and the code of each row's, −1 where there is none."""
    codes = column.indices.fill_null(-1).cast(pa.int32())
    return tuple(column.dictionary.to_pylist()), codes.to_numpy(zero_copy_only=False)


def dictionary_of(names: tuple[str, ...], codes: CodeArray) -> pa.DictionaryArray:
    """A column of these names by their codes, null where a code is −1, for Arrow."""
    column = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(names, pa.string()))
    # The names of a large body are not written again with each of its parts.
    return column if len(names) <= len(codes) else column.cast(pa.string()).dictionary_encode()
