"""Parquet answers are sent while they are written."""

from __future__ import annotations

import gc
import io
import weakref
from collections.abc import Iterator

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.types import Message

from selector_api.web.files import parquet_answer
from selector_api.web.problems import UNKNOWN_TASK, Problem

pytestmark = pytest.mark.anyio
SCHEMA = pa.schema([("id", pa.string())])


def numbered(made: list[int], count: int) -> Iterator[pa.Table]:
    for number in range(count):
        made.append(number)
        yield pa.table([[f"task-{number}-{row}" for row in range(1000)]], schema=SCHEMA)


@pytest.mark.parametrize("count", [1, 5])
async def test_each_part_is_sent_before_the_next_is_made(count: int) -> None:
    made: list[int] = []
    answer = await parquet_answer(numbered(made, count))
    assert len(made) <= 1
    body = b""
    async for part in answer.body_iterator:
        assert isinstance(part, bytes)
        body += part
        if len(made) < count:
            assert f"task-{made[-1]}-0".encode() in body
    rows = pq.read_table(io.BytesIO(body)).column("id").to_pylist()
    assert rows == [f"task-{number}-{row}" for number in range(count) for row in range(1000)]


async def test_what_keeps_the_first_part_from_being_made_is_a_problem() -> None:
    def tables() -> Iterator[pa.Table]:
        raise Problem(UNKNOWN_TASK, "there is none")
        yield  # pyright: ignore[reportUnreachable]

    with pytest.raises(Problem):
        await parquet_answer(tables())


async def test_who_leaves_leaves_nothing_behind() -> None:
    class Rows:
        """What a table is made from."""

    rows = Rows()
    alive = weakref.ref(rows)

    def tables(of: Rows) -> Iterator[pa.Table]:
        for number in range(5):
            yield pa.table([[f"{of}-{number}"]], schema=SCHEMA)

    answer = await parquet_answer(tables(rows))
    del rows

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await anyio.sleep_forever()

    gc.disable()
    try:
        await answer({"type": "http", "asgi": {"spec_version": "2.0"}}, receive, send)
        assert alive() is None
    finally:
        gc.enable()
