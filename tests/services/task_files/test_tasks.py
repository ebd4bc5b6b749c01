import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from services.command_line.failures import Failure
from services.task_files.pool_tasks import TaskColumns, TaskFile, content_id
from services.task_files.tasks import TaskRow, TaskSource, read_tasks


def chat(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]


def guru(question: str, truth: Any, weak: float | None, strong: float | None, index: int) -> dict[str, Any]:
    return {
        "data_source": "math__x",
        "prompt": chat(question),
        "ability": "math",
        "apply_chat_template": True,
        "reward_model": {"ground_truth": truth, "style": "rule"},
        "extra_info": {"index": index, "split": "train"},
        "qwen2.5_7b_pass_rate": weak,
        "qwen3_30b_pass_rate": strong,
    }


GURU_SOURCE = {
    "answer": "reward_model.ground_truth",
    "domain": "ability",
    "references": {"weak": "qwen2.5_7b_pass_rate", "strong": "qwen3_30b_pass_rate"},
}


def written(folder: Path, suffix: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / f"tasks{suffix}"
    if suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(params=[".parquet", ".jsonl"])
def file(request, tmp_path):
    return lambda rows: written(tmp_path, request.param, rows)


def source(path: Path, **members: Any) -> TaskSource:
    return TaskSource.model_validate({"file": path, **members})


def test_rows_of_guru_become_tasks(file):
    path = file([guru("1 + 1?", "2", 0.25, 1.0, 7), guru("1 + 2?", "3", None, 0.5, 8)])
    assert read_tasks(source(path, **GURU_SOURCE)) == [
        TaskRow(content_id(chat("1 + 1?")), chat("1 + 1?"), "2", "math", {"weak": 0.25, "strong": 1.0}),
        TaskRow(content_id(chat("1 + 2?")), chat("1 + 2?"), "3", "math", {"strong": 0.5}),
    ]


def test_ids_are_those_that_an_import_into_a_pool_makes(file):
    path = file([guru(f"{i} + 1?", str(i + 1), 0.25, 1.0, i) for i in range(3)])
    for id_, hashed in [
        (None, ["prompt"]),
        (None, ["data_source", "prompt"]),
        ("extra_info.index", ["prompt"]),
    ]:
        columns = TaskColumns(id=id_ or "", hashed=() if id_ else hashed)
        imported = [task.id for _, task in TaskFile(path, columns)]
        members = {"id": id_, "id_from_hash": hashed, "answer": "reward_model.ground_truth"}
        assert [task.id for task in read_tasks(source(path, **members))] == imported


@pytest.mark.parametrize(
    "answer",
    ["2", 2, 2.5, True, ["a", "b"], [[1, 2], [3, 4]], {"header": ["Position"], "rows": [["1"], ["2"]]}],
    ids=str,
)
def test_an_answer_may_be_any_value(file, answer):
    path = file([{"prompt": "?", "answer": answer}])
    assert [task.answer for task in read_tasks(source(path))] == [answer]


def test_a_prompt_may_be_text(file):
    path = file([{"prompt": "1 + 1 =", "answer": "2"}])
    assert [task.prompt for task in read_tasks(source(path))] == ["1 + 1 ="]


@pytest.mark.parametrize(
    "content",
    ["1 + 1?", [{"type": "text", "text": "1 + 1?"}], [{"type": "text", "text": t} for t in ("1 +", " 1?")]],
)
def test_content_may_be_in_parts_of_text(file, content):
    path = file([{"prompt": [{"role": "user", "content": content}], "answer": "2"}])
    (task,) = read_tasks(source(path))
    assert task.prompt == chat("1 + 1?")
    assert task.id == content_id([{"role": "user", "content": content}])


def test_a_prompt_may_be_parts_of_text(file):
    path = file([{"prompt": [{"type": "text", "text": "1 + 1 ="}], "answer": "2"}])
    assert [task.prompt for task in read_tasks(source(path))] == ["1 + 1 ="]


def test_members_of_other_parts_may_stand_beside_text_as_nulls(file):
    parts = [{"type": "text", "text": "1 + 1?", "image_url": None}]
    path = file([{"prompt": [{"role": "user", "content": parts}], "answer": "2"}])
    assert [task.prompt for task in read_tasks(source(path))] == [chat("1 + 1?")]


def test_ids_and_rates_are_read_as_an_import_reads_them(file):
    path = file([{"source": "gsm8k", "index": 17, "prompt": "?", "answer": "2", "fails": 12, "rate": 50.0}])
    (task,) = read_tasks(
        source(
            path,
            id="source,index",
            prefix="train/",
            references={"weak": "fails", "strong": "rate"},
            scale="percent",
            scales={"weak": "failures/16"},
        )
    )
    assert (task.id, task.references) == ("train/gsm8k/17", {"weak": 0.25, "strong": 0.5})


def test_a_csv_has_tasks(tmp_path):
    (tmp_path / "tasks.csv").write_text("id,prompt,answer,rate\n1,?,2,0.5\n")
    (task,) = read_tasks(source(tmp_path / "tasks.csv", id="id", references={"weak": "rate"}))
    assert task == TaskRow("1", "?", "2", None, {"weak": 0.5})


def test_a_system_prompt_comes_first_and_makes_a_chat_of_text(file):
    path = file([{"id": "a", "prompt": "1 + 1?", "answer": "2"}])
    (task,) = read_tasks(source(path, id="id", system_prompt="Reason."))
    assert task.prompt == [{"role": "system", "content": "Reason."}, *chat("1 + 1?")]


def test_a_system_prompt_comes_before_a_chat_and_does_not_change_the_id(file):
    path = file([guru("1 + 1?", "2", 0.25, 1.0, 7)])
    (task,) = read_tasks(source(path, **GURU_SOURCE, system_prompt="Reason."))
    assert task.prompt == [{"role": "system", "content": "Reason."}, *chat("1 + 1?")]
    assert task.id == content_id(chat("1 + 1?"))


def test_only_the_first_tasks_are_read_up_to_a_limit(file):
    path = file([{"prompt": question, "answer": "2"} for question in ["a", "a", "b", "c"]])
    assert [task.prompt for task in read_tasks(source(path, limit=2))] == ["a", "b"]


def test_a_task_that_stands_twice_counts_once(file):
    path = file([guru("1 + 1?", "2", 0.25, 1.0, 7), guru("1 + 1?", "2", 0.25, 1.0, 8)])
    assert len(read_tasks(source(path, **GURU_SOURCE))) == 1


@pytest.mark.parametrize(
    ("second", "fields"),
    [
        (guru("1 + 1?", "3", 0.25, 1.0, 7), "answer"),
        (guru("one + 1?", "3", 0.25, 1.0, 7), "prompt and answer"),
        (guru("1 + 1?", "2", 0.5, 1.0, 7), "references"),
    ],
)
def test_an_id_with_another_content_is_a_failure(file, second, fields):
    path = file([guru("1 + 1?", "2", 0.25, 1.0, 7), second])
    with pytest.raises(
        Failure, match=rf"(row|line) 2: task '7' stands in an earlier row with another {fields}\."
    ):
        read_tasks(source(path, **GURU_SOURCE, id="extra_info.index"))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"prompt": "", "answer": "2"}, "column 'prompt': got ''. Give text, or a list of messages"),
        ({"prompt": [], "answer": "2"}, "column 'prompt': got []. Give text, or a list of messages"),
        ({"prompt": [{"role": "user", "content": None}], "answer": "2"}, "column 'prompt': got [{"),
        ({"prompt": [{"role": "user"}], "answer": "2"}, "column 'prompt': got [{"),
        (
            {
                "prompt": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}],
                "answer": "2",
            },
            "content may be in parts of type text",
        ),
        ({"prompt": 5, "answer": "2"}, "column 'prompt': got 5."),
        ({"prompt": "?", "answer": None}, "column 'answer': got None. A reward has nothing to compare with"),
    ],
)
def test_a_row_that_cannot_be_a_task_is_a_failure(file, row, told):
    path = file([row])
    with pytest.raises(Failure) as failure:
        read_tasks(source(path))
    assert "1, " in str(failure.value)
    assert told in str(failure.value)


def test_a_pass_rate_out_of_range_is_a_failure(file):
    path = file([guru("1 + 1?", "2", 1.5, 1.0, 7)])
    with pytest.raises(Failure, match=r"1, column 'qwen2\.5_7b_pass_rate': got 1\.5"):
        read_tasks(source(path, **GURU_SOURCE))


def test_two_system_prompts_are_a_failure(file):
    path = file([{"prompt": [{"role": "system", "content": "Be brief."}, *chat("?")], "answer": "2"}])
    with pytest.raises(Failure, match=r"leave out tasks\.system_prompt"):
        read_tasks(source(path, system_prompt="Reason."))


def test_a_column_that_is_not_there_is_a_failure(file):
    path = file([{"prompt": "?", "solution": "2"}])
    with pytest.raises(Failure, match="column 'answer'"):
        read_tasks(source(path))


def test_a_file_without_tasks_is_a_failure(tmp_path):
    (tmp_path / "tasks.jsonl").write_text("\n")
    with pytest.raises(Failure, match="there is no task in it"):
        read_tasks(source(tmp_path / "tasks.jsonl"))


@pytest.mark.parametrize(
    "members",
    [
        {"limit": 0},
        {"id_from_hash": []},
        {"id": ""},
        {"ids": "a"},
        {"scale": "x"},
        {"scales": {"weak": "percent"}},
    ],
)
def test_a_source_is_checked(members):
    with pytest.raises(ValidationError):
        source(Path("tasks.jsonl"), **members)
