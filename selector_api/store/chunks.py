"""How the tasks of a pool are written in Redis: in chunks, each a record batch of Arrow.

A chunk is of tasks that joined, with `id`, `domain` (null: the default) and a column for each reference; or of
references that were measured later of tasks that are there, without `domain`. It tells the SHA-1 of the chunk
`behind` which it is: so its own stands for all up to it. Releases up to 0.2 wrote JSON columns instead.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyarrow's own types are partial.

from __future__ import annotations

import json
import zlib

import numpy as np
import pyarrow as pa

from selector_api.core.arrays import FloatArray
from selector_api.core.task_rows import UNTOLD, TaskRows
from selector_api.store.arrow_columns import array_of, dictionary_of, names_of, texts_of
from selector_api.store.sealing import sealed, unsealed

_TASKS = b"bots-tasks 2\n"
_MEASURED = b"bots-measured 2\n"
_JSON_TASKS = b"bots-tasks 1\n"
_JSON_MEASURED = b"bots-measured 1\n"
_REFERENCE = "reference:"
"""What goes before a reference's name in the name of its column."""
_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")
_PLAIN = pa.ipc.IpcWriteOptions()
_FEW = 100
"""Rows that are not worth compressing: it would take longer than all else, and save little."""


def encode_tasks(rows: TaskRows, behind: str = "") -> bytes:
    """A chunk of tasks that joined, behind the one with this digest, "" for the first."""
    return _encoded(_TASKS, rows, behind, {"domain": dictionary_of(rows.domains, rows.domain_codes)})


def encode_measured(rows: TaskRows, behind: str = "") -> bytes:
    """A chunk of references that were measured of tasks which are there; the domains are left out."""
    return _encoded(_MEASURED, rows, behind, {})


def decode_chunk(chunk: bytes) -> tuple[bool, TaskRows]:
    """Whether a chunk is of tasks that joined, else of references measured later; and its rows.

    Raises:
        UnreadableData: the chunk is damaged or of an unknown version.
    """
    formats = [_TASKS, _MEASURED, _JSON_TASKS, _JSON_MEASURED]
    format_line, content = unsealed(chunk, formats, "chunk of tasks")
    joined = format_line in (_TASKS, _JSON_TASKS)
    if format_line in (_JSON_TASKS, _JSON_MEASURED):
        return joined, _of_json(content)
    with pa.ipc.open_stream(content) as reader:
        batch = reader.read_next_batch()
    ids = texts_of(batch.column("id"))
    names, codes = (), np.full(len(ids), UNTOLD, np.int32)
    if joined:
        names, codes = names_of(batch.column("domain"))
    return joined, TaskRows(ids, names, codes, _references(batch))


def _encoded(format_line: bytes, rows: TaskRows, behind: str, domain: dict[str, pa.Array]) -> bytes:
    rates = {
        _REFERENCE + name: pa.array(values, from_pandas=True) for name, values in rows.references.items()
    }
    batch = pa.RecordBatch.from_pydict({"id": array_of(rows.ids), **domain, **rates})
    sink = pa.BufferOutputStream()
    options = _PLAIN if len(rows) <= _FEW else _OPTIONS
    schema = batch.schema.with_metadata({"behind": behind})
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        writer.write_batch(batch)
    return sealed(format_line, sink.getvalue().to_pybytes())


def _references(batch: pa.RecordBatch) -> dict[str, FloatArray]:
    return {
        name.removeprefix(_REFERENCE): column.to_numpy(zero_copy_only=False)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if name.startswith(_REFERENCE)
    }


def _of_json(content: bytes) -> TaskRows:
    columns = json.loads(zlib.decompress(content))
    count = len(columns["ids"])
    rows = TaskRows.of(columns["ids"], columns.get("domains", [None] * count), [{}] * count)
    # None becomes NaN.
    references = {name: np.array(rates, np.float64) for name, rates in columns["references"].items()}
    return TaskRows(rows.ids, rows.domains, rows.domain_codes, references)
