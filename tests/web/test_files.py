"""Parquet answers are sent while they are written."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selector_api.web.files import parquet_answer
from selector_api.web.problems import UNKNOWN_TASK, Problem

pytestmark = pytest.mark.anyio
SCHEMA = pa.schema([("id", pa.string())])


def numbered(made: list[int], count: int) -> Iterator[pa.Table]:
    for number in range(count):
        made.append(number)
        yield pa.table([[f"task-{number}-{row}" for row in range(1000)]], schema=SCHEMA)


@pytest.mark.parametrize("count", [0, 1, 5])
async def test_each_part_is_sent_before_the_next_is_made(count: int) -> None:
    made: list[int] = []
    answer = await parquet_answer(SCHEMA, numbered(made, count))
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
        await parquet_answer(SCHEMA, tables())
