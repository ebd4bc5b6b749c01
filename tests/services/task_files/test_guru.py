import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from services.command_line.failures import Failure
from services.rewards import make_scorer
from services.rewards.exact_answer import ExactAnswer
from services.rewards.python_tests import PythonTests
from services.task_files.guru import join_files
from services.task_files.tasks import TaskRow, TaskSource, read_tasks

GRID = {"header": ["Position", "Job"], "rows": [["1", "plumber"], ["2", "carpenter"]]}


def row(question: str, truth: Any, weak: float | None = 0.25, **extra_info: Any) -> dict[str, Any]:
    return {
        "data_source": "logic__x",
        "prompt": [{"role": "user", "content": question}],
        "ability": "logical_reasoning",
        "apply_chat_template": True,
        "reward_model": {"style": "rule", "ground_truth": truth},
        "extra_info": {"split": "train", **extra_info},
        "qwen2.5_7b_pass_rate": weak,
        "qwen3_30b_pass_rate": 0.5,
    }


@pytest.fixture
def file(tmp_path):
    def write(name: str, *rows: dict[str, Any]) -> Path:
        path = tmp_path / f"{name}.parquet"
        parquet.write_table(pa.Table.from_pylist(list(rows)), path)
        return path

    return write


def tasks(path: Path) -> list[TaskRow]:
    source = {
        "file": path,
        "answer": "reward_model.ground_truth",
        "references": {"weak": "qwen2.5_7b_pass_rate", "strong": "qwen3_30b_pass_rate"},
    }
    return read_tasks(TaskSource.model_validate(source))


def test_tasks_of_all_kinds_come_into_one_file(file, tmp_path):
    files = [
        file("ordering", row("order?", ["pigeon", "quail"])),
        file("zebra", row("who?", GRID, weak=None)),
        file("arcagi", row("grid?", [[0, 1], [2, 3]], index=3)),
        file("graph", row("where?", "fdebme")),
    ]
    assert join_files(files, tmp_path / "joined" / "logic.parquet") == (4, 0)
    joined = tasks(tmp_path / "joined" / "logic.parquet")
    assert [task.prompt[0]["content"] for task in joined if isinstance(task.prompt, list)] == [
        "order?",
        "who?",
        "grid?",
        "where?",
    ]
    assert [task.references for task in joined] == [
        {"weak": 0.25, "strong": 0.5},
        {"strong": 0.5},
        {"weak": 0.25, "strong": 0.5},
        {"weak": 0.25, "strong": 0.5},
    ]
    scorer = make_scorer(ExactAnswer(type="exact-answer"))
    answers = ["['pigeon', 'quail']", json.dumps(GRID), "[[0, 1], [2, 3]]", "fdebme"]
    assert [
        scorer.score(f"<answer>{answer}</answer>", task.answer)
        for task, answer in zip(joined, answers, strict=True)
    ] == [1.0] * 4


def test_code_that_completes_something_is_scored_with_it(file, tmp_path):
    truth = json.dumps({"functional": "assert Solution().double([2]) == [4]"})
    stdin = json.dumps({"inputs": ["2"], "outputs": ["4"]})
    files = [
        file("leetcode2k", row("double a list", truth, prefix="from typing import *")),
        file("taco", row("double a number", stdin)),
    ]
    join_files(files, tmp_path / "code.parquet")
    programs = [
        "class Solution:\n    def double(self, x: List[int]):\n        return [2 * one for one in x]",
        "print(2 * int(input()))",
    ]
    scorer = make_scorer(PythonTests(type="python-tests"))
    assert [
        scorer.score(f"```python\n{program}\n```", task.answer)
        for task, program in zip(tasks(tmp_path / "code.parquet"), programs, strict=True)
    ] == [1.0, 1.0]


def test_a_prompt_that_stands_twice_is_taken_once(file, tmp_path):
    files = [
        file("one", row("a?", "1"), row("a?", "2"), row("b?", "3")),
        file("two", row("b?", "4"), row("c?", "5")),
    ]
    assert join_files(files, tmp_path / "all.parquet") == (3, 2)
    assert [task.answer for task in tasks(tmp_path / "all.parquet")] == ["1", "3", "5"]


def test_files_without_pass_rates_can_be_joined(file, tmp_path):
    held_out = {name: value for name, value in row("a?", "1").items() if "pass_rate" not in name}
    join_files([file("held-out", held_out)], tmp_path / "all.parquet")
    assert [(task.answer, task.references) for task in tasks(tmp_path / "all.parquet")] == [("1", {})]


def test_another_file_is_refused_and_nothing_is_written(file, tmp_path):
    files = [file("one", row("a?", "1")), file("two", {"prompt": "a?", "answer": "1"})]
    with pytest.raises(
        Failure, match=r"two\.parquet: no column 'data_source'; give files of LLM360/guru-RL-92k"
    ):
        join_files(files, tmp_path / "all.parquet")
    assert not (tmp_path / "all.parquet").exists()


def test_what_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "one.parquet").write_text("no Parquet")
    with pytest.raises(Failure, match=r"one\.parquet: not readable as Parquet"):
        join_files([tmp_path / "one.parquet"], tmp_path / "all.parquet")


def test_the_command_tells_what_it_wrote(file, tmp_path):
    import typer

    from services.task_files.guru import main

    app = typer.Typer()
    app.command()(main)
    output = tmp_path / "all.parquet"
    result = CliRunner().invoke(app, [str(output), str(file("one", row("a?", "1"), row("a?", "2")))])
    assert result.exit_code == 0
    assert result.output.replace("\n", "").endswith("1 tasks, 1 rows with the prompt of another left out")
