from __future__ import annotations

import json
import zlib

import numpy as np
import pytest

from selector_api.core.task_rows import TaskRows
from selector_api.store.chunks import decode_chunk, encode_measured, encode_tasks
from selector_api.store.errors import UnreadableData
from selector_api.store.sealing import sealed

ROWS = TaskRows.of(
    ["a", "ü\n\x00\"'{}", "c"],
    ["maths", "default", "maths"],
    [{"weak": 0.1, "strong": 1 / 3}, {}, {"strong": 5e-324}],
)


def told(chunk: bytes) -> tuple[bool, list[tuple[str, str | None, dict[str, float]]]]:
    joined, rows = decode_chunk(chunk)
    return joined, rows.told()


def test_tasks_come_back_as_they_were() -> None:
    assert told(encode_tasks(ROWS)) == (True, ROWS.told())
    part = ROWS.take(np.array([1]))
    assert told(encode_tasks(part)) == (True, [("ü\n\x00\"'{}", "default", {})])


def test_of_many_tasks_a_chunk_is_compressed() -> None:
    few, many = (
        TaskRows.of([f"task-{n}" for n in range(count)], [None] * count, [{"weak": 0.5}] * count)
        for count in (100, 1_000)
    )
    for rows in (few, many):
        assert told(encode_tasks(rows)) == (True, rows.told())
    assert len(encode_tasks(many)) < 2 * len(encode_tasks(few))


def test_references_that_were_measured_later_come_back_as_they_were() -> None:
    rows = [(id_, None, rates) for id_, _, rates in ROWS.told()]
    assert told(encode_measured(ROWS)) == (False, rows)


def test_the_json_of_earlier_releases_is_read() -> None:
    columns = {
        "ids": ["a", "ü"],
        "domains": ["maths", "default"],
        "references": {"weak": [None, 0.1], "strong": [5e-324, 1]},
    }
    packed = zlib.compress(json.dumps(columns).encode())
    rows = [("a", "maths", {"strong": 5e-324}), ("ü", "default", {"weak": 0.1, "strong": 1.0})]
    assert told(sealed(b"bots-tasks 1\n", packed)) == (True, rows)
    del columns["domains"]
    packed = zlib.compress(json.dumps(columns).encode())
    rows = [(id_, None, rates) for id_, _, rates in rows]
    assert told(sealed(b"bots-measured 1\n", packed)) == (False, rows)


def test_a_damaged_chunk_is_refused() -> None:
    with pytest.raises(UnreadableData, match="damaged"):
        decode_chunk(encode_tasks(ROWS)[:-5])
