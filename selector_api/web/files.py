"""Answers that are files: which type was asked for, and how one is given."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any

import anyio.to_thread
import pyarrow as pa
import pyarrow.parquet as pq
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from selector_api.web import problems
from selector_api.web.problems import Problem
from selector_api.web.task_bodies import JSON, PARQUET


def accepted(accept: str) -> str:
    """The first type of an Accept header that can be given.

    Raises:
        Problem: not-acceptable.
    """
    for entry in accept.split(","):
        wanted = entry.partition(";")[0].strip().lower()
        if wanted == PARQUET:
            return PARQUET
        if wanted in (JSON, "application/*", "*/*", ""):
            return JSON
    raise Problem(problems.NOT_ACCEPTABLE, f"Accept: ask for {JSON} or {PARQUET}")


async def parquet_answer(tables: Iterator[pa.Table]) -> StreamingResponse:
    """The Parquet file of these tables, at least one: each is made beside the event loop and sent before the next.

    So nobody waits in silence while millions of rows are written, and they are nowhere as a whole. What keeps the
    first from being made is raised here, so that it still is a problem and not a broken answer.
    """
    parts = _parts(tables)
    return _Streamed(await anyio.to_thread.run_sync(next, parts), parts)


class _Streamed(StreamingResponse):
    """An answer that lets go of what it is made from when it ends, also when the caller has left."""

    def __init__(self, first: bytes, parts: Generator[bytes]) -> None:
        super().__init__(chain([first], parts), media_type=PARQUET)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._parts.close()  # else it stands in a cycle, and with it the state of a whole run


def _parts(tables: Iterator[pa.Table]) -> Generator[bytes]:
    written = _Written()
    first = next(tables)
    with pq.ParquetWriter(written, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table)
            yield written.taken()
    yield written.taken()


class _Written(io.RawIOBase):
    """A file to write to, of which only what was not taken yet is kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def taken(self) -> bytes:
        """What was written since this was called last."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
