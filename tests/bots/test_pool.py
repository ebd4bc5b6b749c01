import json
from pathlib import Path
from typing import Any

import pytest

from tests.bots.conftest import Bots
from tests.services.task_files.test_pool_tasks import GURU, GURU_TASKS, written
from trainer_client import FakeSelector, SelectorClient, Task

GURU_OPTIONS = (
    *("--pool", "guru", "--id", "extra_info.index", "--domain", "data_source"),
    *("--reference", "weak=qwen2.5_7b_pass_rate", "--reference", "strong=qwen3_30b_pass_rate"),
)


def sent(fake: FakeSelector) -> list[Task]:
    """The tasks of every request that carried some, in order."""
    bodies = [request.content for request in fake.requests if request.method == "POST"]
    return [Task.model_validate_json(line) for body in bodies for line in body.splitlines()]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_import_makes_the_pool_and_sends_the_tasks(
    bots: Bots, fake: FakeSelector, tmp_path: Path, suffix: str
):
    result = bots("pool", "import", written(tmp_path, suffix, GURU), *GURU_OPTIONS)
    assert result.exit_code == 0
    assert result.stdout == "pool 'guru': 2 inserted, 0 unchanged, 2 tasks in all\n"
    assert sent(fake) == GURU_TASKS


def test_importing_again_changes_nothing(bots: Bots, fake: FakeSelector, tmp_path: Path):
    file = written(tmp_path, ".parquet", GURU)
    bots("pool", "import", file, *GURU_OPTIONS)
    result = bots("pool", "import", file, *GURU_OPTIONS)
    assert result.stdout == "pool 'guru': 0 inserted, 2 unchanged, 2 tasks in all\n"


def test_large_files_are_sent_in_several_requests(bots: Bots, fake: FakeSelector, tmp_path: Path):
    rows: list[dict[str, Any]] = [{"id": i} for i in range(11_000)]
    result = bots("pool", "import", written(tmp_path, ".parquet", rows), "--pool", "p")
    assert "11,000 inserted" in result.stdout
    assert [task.id for task in sent(fake)] == [str(i) for i in range(11_000)]
    assert len(fake.requests) == 1 + 2


def test_rows_of_the_same_content_are_one_task_and_counted(bots: Bots, fake: FakeSelector, tmp_path: Path):
    rows = [{"prompt": [{"content": text}]} for text in ("a", "b", "a", "a")]
    result = bots(
        "pool", "import", written(tmp_path, ".jsonl", rows), "--pool", "p", "--id-from-hash", "prompt"
    )
    assert "2 of 4 rows repeat an earlier id" in result.stdout
    assert "2 inserted, 2 unchanged, 2 tasks in all" in result.stdout


def test_a_wrong_row_stops_the_import_before_anything_is_sent(bots: Bots, fake: FakeSelector, tmp_path: Path):
    rows = [{"id": i, "rate": 0.5} for i in range(12_000)] + [{"id": "last", "rate": 1.5}]
    file = written(tmp_path, ".jsonl", rows)
    result = bots("pool", "import", file, "--pool", "p", "--reference", "weak=rate")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "line 12001, column 'rate': got 1.5." in result.stderr
    assert fake.requests == []


def test_an_interrupted_import_says_what_to_do(
    bots: Bots, fake: FakeSelector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SelectorClient, "add_tasks", interrupt)
    result = bots("pool", "import", written(tmp_path, ".jsonl", [{"id": 1}]), "--pool", "p")
    assert result.exit_code == 130
    assert "Run the same command again" in result.stderr


def test_a_conflict_is_explained(bots: Bots, fake: FakeSelector, tmp_path: Path):
    bots("pool", "import", written(tmp_path, ".jsonl", [{"id": 1, "kind": "x"}]), "--pool", "p")
    file = written(tmp_path, ".jsonl", [{"id": 1, "kind": "x"}])
    result = bots("pool", "import", file, "--pool", "p", "--domain", "kind")
    assert result.exit_code == 1
    assert "Error: Task '1' is there with other values." in result.stderr


def test_a_service_that_is_away_is_named(bots: Bots, fake: FakeSelector, tmp_path: Path):
    fake.down()
    file = written(tmp_path, ".jsonl", [{"id": 1}])
    result = bots("pool", "import", file, "--pool", "p", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "Error: no service at http://127.0.0.1:9" in result.stderr


def test_the_token_is_sent(bots: Bots, fake: FakeSelector, tmp_path: Path):
    file = written(tmp_path, ".jsonl", [{"id": 1}])
    bots("pool", "import", file, "--pool", "p", "--token", "bots_secret")
    assert {request.headers["Authorization"] for request in fake.requests} == {"Bearer bots_secret"}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("missing.jsonl", (), "does not exist"),
        ("tasks.csv", (), "its suffix must be one of"),
        ("tasks.jsonl", ("--id", "a", "--id-from-hash", "b"), "either --id or --id-from-hash"),
        ("tasks.jsonl", ("--id-from-hash", "a,"), "COLUMN,COLUMN"),
        ("tasks.jsonl", ("--reference", "weak"), "NAME=COLUMN"),
        ("tasks.jsonl", ("--reference", "weak=a", "--reference", "weak=b"), "'weak' is given twice"),
        ("tasks.jsonl", ("--url", "127.0.0.1:8000"), "http://"),
        ("tasks.jsonl", ("--pool", ""), "1 to 256"),
    ],
)
def test_mistakes_exit_with_2(
    bots: Bots, fake: FakeSelector, tmp_path: Path, name: str, options: tuple[str, ...], message: str
):
    for existing in ("tasks.jsonl", "tasks.csv"):
        (tmp_path / existing).write_text(json.dumps({"id": "a"}))
    result = bots("pool", "import", tmp_path / name, "--pool", "p", *options)
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert fake.requests == []


def test_an_empty_file_is_said(bots: Bots, fake: FakeSelector, tmp_path: Path):
    result = bots("pool", "import", written(tmp_path, ".jsonl", []), "--pool", "p")
    assert result.exit_code == 1
    assert "there is no row in it" in result.stderr
