"""The forms in which tasks are uploaded; what is wrong with one is in test_bad_input.py."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from selector_api.web.task_bodies import JSON, NDJSON, PARQUET

TASKS: list[dict[str, Any]] = [
    {"id": "Zürich 任务/1", "domain": "math", "references": {"weak": 0.25, "strong": 1}},
    {"id": "2", "references": {"weak": 0.5}},
    {"id": "3"},
]
REFERENCES = [task.get("references") for task in TASKS]
PAIRS = [None if references is None else list(references.items()) for references in REFERENCES]


def parquet(references: pa.Array, ids: pa.Array | None = None) -> bytes:
    file = io.BytesIO()
    columns = {
        "id": pa.array([task["id"] for task in TASKS]) if ids is None else ids,
        "domain": pa.array([task.get("domain") for task in TASKS]),
        "references": references,
    }
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def test_every_form_says_the_same(http: httpx.Client, pool: str) -> None:
    rates = pa.float64()
    forms = [
        (JSON, json.dumps(TASKS).encode()),
        ("application/json; charset=utf-8", json.dumps(TASKS, ensure_ascii=False).encode()),
        (NDJSON, "\n".join(json.dumps(task) for task in TASKS).encode()),
        (NDJSON, "".join(json.dumps(task) + "\r\n" for task in TASKS).encode()),
        (PARQUET, parquet(pa.array(REFERENCES, pa.struct({"weak": rates, "strong": rates})))),
        (PARQUET, parquet(pa.array(PAIRS, pa.map_(pa.string(), pa.float32())))),
    ]
    for number, (content_type, body) in enumerate(forms):
        headers = {"Content-Type": content_type}
        answer = http.post(f"/pools/{pool}/tasks", content=body, headers=headers)
        inserted = 0 if number else 3
        assert answer.json() == {"inserted": inserted, "unchanged": 3 - inserted, "tasks": 13}
