"""The forms in which tasks are uploaded; what is wrong with one is in test_bad_input.py."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selector_api.web import task_bodies, task_limits
from selector_api.web.problems import Problem
from selector_api.web.task_bodies import JSON, NDJSON, PARQUET, read_tasks

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
        receipt = {"inserted": inserted, "unchanged": 3 - inserted, "extended": 0, "tasks": 13}
        assert answer.json() == receipt


def forms_of(tasks: list[dict[str, Any]]) -> list[tuple[str, bytes]]:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(tasks), file)
    return [
        (JSON, json.dumps(tasks).encode()),
        (NDJSON, "".join(json.dumps(task) + "\n" for task in tasks).encode()),
        (PARQUET, file.getvalue()),
    ]


def test_a_number_and_its_text_are_one_task(http: httpx.Client, pool: str) -> None:
    for number, tasks in enumerate([[{"id": 40}, {"id": -7}], [{"id": "40"}, {"id": "-7"}]]):
        for content_type, body in forms_of(tasks):
            headers = {"Content-Type": content_type}
            answer = http.post(f"/pools/{pool}/tasks", content=body, headers=headers).json()
            assert (answer["inserted"], answer["tasks"]) == (0 if number or content_type != JSON else 2, 12)


def test_numbers_are_ids_in_every_call(http: httpx.Client, pool: str) -> None:
    numbered = pool + "-numbered"
    assert http.put(f"/pools/{numbered}", json={}).is_success
    assert http.post(f"/pools/{numbered}/tasks", json=[{"id": i} for i in range(3)]).is_success
    assert http.put(f"/runs/{numbered}", json={"pool": numbered}).is_success
    selection = http.post("/select", json={"run": numbered, "batch_size": 3, "key": 5}).json()
    assert sorted(selection["tasks"]) == ["0", "1", "2"]
    again = http.post("/select", json={"run": numbered, "batch_size": 3, "key": "5"}).json()
    assert again["replayed"]
    outcomes = [{"task": i, "successes": 1, "trials": 2} for i in range(3)]
    body = {"run": numbered, "selection": selection["selection"], "outcomes": outcomes}
    assert http.post("/report", json=body).json()["accepted"] == 3


def test_many_tasks_keep_their_order() -> None:
    tasks = [
        {"id": f"task-{number}", "domain": f"domain-{number % 3}", "references": {"weak": number / 2500}}
        for number in range(2500)
    ]
    for content_type, body in forms_of(tasks):
        rows = read_tasks(content_type, body)
        read = rows.told()
        assert [{"id": id_, "domain": domain, "references": rates} for id_, domain, rates in read] == tasks


def test_a_wrong_one_among_many_is_named_by_its_place() -> None:
    tasks = [{"id": f"task-{number}"} for number in range(2500)]
    tasks[1234]["id"] = ""
    for (content_type, body), place in zip(
        forms_of(tasks), ["task 1234", "line 1235", "row 1234"], strict=True
    ):
        with pytest.raises(Problem, match=f"{place}.id: ") as caught:
            read_tasks(content_type, body)
        assert caught.value.kind.code == "invalid-request"


def test_only_the_first_wrong_one_is_told() -> None:
    for content_type, body in forms_of([{"id": ""} for _ in range(2500)]):
        with pytest.raises(Problem) as caught:
            read_tasks(content_type, body)
        assert "more)" not in caught.value.detail


def test_too_many_tasks_for_one_body_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_limits, "MAX_TASKS", 3)
    for content_type, body in forms_of([{"id": f"task-{number}"} for number in range(3)]):
        assert len(read_tasks(content_type, body)) == 3
    for content_type, body in forms_of([{"id": f"task-{number}"} for number in range(4)]):
        with pytest.raises(Problem, match="body: at most 3 tasks") as caught:
            read_tasks(content_type, body)
        assert caught.value.kind.code == "payload-too-large"


LINES = [
    b'{"id": "a", "domain": "x", "references": {"weak": 0.5}}',
    b'{"references":{"weak":0.5},"id":1}',
    b'{"id" : "a"}',
    b'{"id": "a\\":"}',
    b'{"id": "a", "id": "b"}',
    b'{"id" : "a", "domain": "x", "domain": "y"}',
    b'{"id": "a", "references": {"weak": 0.5, "weak": 0.25}}',
    b'{"id": "a", "references": {"weak": NaN}}',
    b'{"id": "a", "references": {"weak": 1e999}}',
    b'{"id": "a", "references": {"weak": "0.5"}}',
    b'{"id": "a", "references": null}',
    b'{"id": true}',
    b'{"id": 1.0}',
    b'{"id": 123456789012345678901234567890}',
    b'{"id": "\\ud800"}',
    b'{"id": "\xff"}',
    b'{"id": "a", "more": 1}',
    b'{"id": "a"},{"id": "b"}',
    b'["a"]',
    b"",
]


@pytest.mark.parametrize("line", LINES, ids=repr)
def test_lines_that_are_read_in_one_go_tell_what_they_tell_one_by_one(
    line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcome() -> object:
        try:
            return read_tasks(NDJSON, b'{"id": "first"}\n' + line + b'\n{"id": "last"}\n').told()
        except Problem as problem:
            return problem.kind.code, problem.detail

    in_one_go = outcome()
    monkeypatch.setattr(task_bodies, "_plain_tasks", lambda lines: None)
    assert outcome() == in_one_go
