import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.task_files import filling
from tests.bots.conftest import Bots
from tests.services.task_files.test_pool_tasks import GURU, GURU_TASKS, written
from trainer_client import ApiError, FakeSelector, NotFound, SelectorClient, Task

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


def test_large_files_are_sent_in_several_requests(
    bots: Bots, fake: FakeSelector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(filling, "ROWS_A_BODY", 10_000)
    rows: list[dict[str, Any]] = [{"id": i} for i in range(20_000)]
    result = bots("pool", "import", written(tmp_path, ".parquet", rows), "--pool", "p")
    assert "20,000 inserted" in result.stdout
    assert [task.id for task in sent(fake)] == [str(i) for i in range(20_000)]
    assert [request.method for request in fake.requests] == ["GET", "GET", "PUT", "POST", "POST"]


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
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "line 12001, column 'rate': got 1.5." in result.stderr
    assert fake.requests == []


def test_an_interrupted_import_says_what_to_do(
    bots: Bots, fake: FakeSelector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SelectorClient, "add_parquet", interrupt)
    result = bots("pool", "import", written(tmp_path, ".jsonl", [{"id": 1}]), "--pool", "p")
    assert result.exit_code == 130
    assert "Run the same command again" in result.stderr


def test_a_conflict_is_explained(bots: Bots, fake: FakeSelector, tmp_path: Path):
    bots("pool", "import", written(tmp_path, ".jsonl", [{"id": 1, "kind": "x"}]), "--pool", "p")
    file = written(tmp_path, ".jsonl", [{"id": 1, "kind": "x"}])
    result = bots("pool", "import", file, "--pool", "p", "--domain", "kind")
    assert result.exit_code == 2
    assert "task '1'" in result.stderr.lower()
    assert [request.method for request in fake.requests].count("POST") <= 2


def test_a_service_that_does_not_list_tasks_compares_them_itself(
    bots: Bots, fake: FakeSelector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: object) -> None:
        raise ApiError(405, "method-not-allowed", "method: see /docs")

    monkeypatch.setattr(SelectorClient, "download_tasks", refused)
    file = written(tmp_path, ".jsonl", [{"id": 1, "kind": "x"}])
    for _ in range(2):
        assert bots("pool", "import", file, "--pool", "p").exit_code == 0
    result = bots("pool", "import", file, "--pool", "p", "--domain", "kind")
    assert result.exit_code == 2
    assert "there with other values" in result.stderr


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
        ("tasks.tsv", (), "its suffix must be one of"),
        ("tasks.jsonl", ("--id", "a", "--id-from-hash", "b"), "either --id or --id-from-hash"),
        ("tasks.jsonl", ("--id-from-hash", "a,"), "COLUMN,COLUMN"),
        ("tasks.jsonl", ("--reference", "weak"), "NAME=COLUMN"),
        ("tasks.jsonl", ("--reference", "weak=a", "--reference", "weak=b"), "'weak' is given twice"),
        ("tasks.jsonl", ("--id", "a,"), "COLUMN,COLUMN"),
        ("tasks.jsonl", ("--reference", "m=r", "--scale", "failures"), "failures/N"),
        ("tasks.jsonl", ("--reference", "m=r", "--scale", "x=percent"), "'x' is no reference"),
        (
            "tasks.jsonl",
            ("--reference", "m=r", "--scale", "percent", "--scale", "fraction"),
            "give one for all",
        ),
        ("tasks.jsonl", ("--scale", "percent"), "it needs a --reference"),
        ("tasks.jsonl", ("--url", "127.0.0.1:8000"), "http://"),
        ("tasks.jsonl", ("--pool", ""), "1 to 256"),
    ],
)
def test_mistakes_exit_with_2(
    bots: Bots, fake: FakeSelector, tmp_path: Path, name: str, options: tuple[str, ...], message: str
):
    for existing in ("tasks.jsonl", "tasks.tsv"):
        (tmp_path / existing).write_text(json.dumps({"id": "a"}))
    result = bots("pool", "import", tmp_path / name, "--pool", "p", *options)
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert fake.requests == []


def test_an_empty_file_is_said(bots: Bots, fake: FakeSelector, tmp_path: Path):
    result = bots("pool", "import", written(tmp_path, ".jsonl", []), "--pool", "p")
    assert result.exit_code == 2
    assert "there is no row in it" in result.stderr


def test_scales_are_those_of_all_references_or_of_one(bots: Bots, fake: FakeSelector, tmp_path: Path):
    rows = [{"id": "a", "fails": 12, "rate": "37.5%"}]
    options = ("--reference", "weak=fails", "--reference", "strong=rate")
    scales = ("--scale", "failures/16", "--scale", "strong=percent")
    result = bots("pool", "import", written(tmp_path, ".jsonl", rows), "--pool", "p", *options, *scales)
    assert result.exit_code == 0
    assert sent(fake) == [Task(id="a", references={"weak": 0.25, "strong": 0.375})]


def test_two_files_numbered_alike_are_told_apart(bots: Bots, fake: FakeSelector, tmp_path: Path):
    for name in ("sums", "sorts"):
        file = written(tmp_path, ".jsonl", [{"source": name, "index": i} for i in range(4)])
        for pool, options in (
            ("columns", ("--id", "source,index")),
            ("prefix", ("--id", "index", "--prefix", f"{name}-")),
        ):
            result = bots("pool", "import", file, "--pool", pool, *options)
            assert "4 inserted, 0 unchanged" in result.stdout
    ids = [task.id for task in sent(fake)]
    assert (ids[0], ids[4], len(set(ids))) == ("sums/0", "sums-0", 16)


def test_an_id_twice_with_other_values_is_refused_with_both_lines(
    bots: Bots, fake: FakeSelector, tmp_path: Path
):
    rows = [{"id": "z"}, {"id": "a", "k": "x", "r": 0.5}, {"id": "b"}, {"id": "a", "k": "y", "r": 0.25}]
    file = written(tmp_path, ".jsonl", rows)
    result = bots("pool", "import", file, "--pool", "p", "--domain", "k", "--reference", "m=r")
    assert result.exit_code == 2
    mine, theirs = ("domain 'y', reference 'm' 0.25", "domain 'x', reference 'm' 0.5")
    assert f"tasks.jsonl, line 4: task 'a' has {mine}, and in line 2 {theirs}" in result.stderr
    assert fake.requests == []


def test_rows_that_were_not_measured_are_counted(bots: Bots, fake: FakeSelector, tmp_path: Path):
    file = written(tmp_path, ".jsonl", [{"id": i, "r": r} for i, r in enumerate([0.5, None, float("nan")])])
    result = bots("pool", "import", file, "--pool", "p", "--reference", "m=r")
    assert result.exit_code == 0
    assert result.stderr == "reference 'm': 2 of 3 rows have none\n"


@pytest.fixture
def pool(service_url: str) -> Iterator[tuple[str, SelectorClient]]:
    """A name for a pool of a real service, and its client."""
    with SelectorClient(service_url) as client:
        yield f"import-{uuid4().hex}", client


def at(service_url: str, *options: object) -> tuple[object, ...]:
    return (*options, "--url", service_url)


def test_a_file_that_is_imported_again_with_its_rates_is_known(
    bots: Bots, service_url: str, pool: tuple[str, SelectorClient], tmp_path: Path
):
    name, _ = pool
    file = written(tmp_path, ".jsonl", [{"id": i, "r": 0.5} for i in range(4)])
    for _ in range(2):
        result = bots("pool", "import", file, *at(service_url, "--pool", name, "--reference", "m=r"))
        assert (result.exit_code, result.stderr) == (0, "")


def test_a_wrong_file_leaves_no_pool_behind(
    bots: Bots, service_url: str, pool: tuple[str, SelectorClient], tmp_path: Path
):
    name, client = pool
    file = tmp_path / "bad.jsonl"
    file.write_text('{"id": "a"}\n{"name": "b"}\n')
    result = bots("pool", "import", file, *at(service_url, "--pool", name))
    assert "bad.jsonl, line 2, column 'id': got None" in result.stderr
    with pytest.raises(NotFound):
        client.pool(name)


def test_a_pool_whose_first_tasks_are_refused_is_not_left_behind(
    bots: Bots, service_url: str, pool: tuple[str, SelectorClient], tmp_path: Path
):
    name, client = pool
    rates = {f"r{i}": 0.5 for i in range(65)}
    options = [text for rate in rates for text in ("--reference", f"{rate}={rate}")]
    file = written(tmp_path, ".jsonl", [{"id": "a", **rates}])
    result = bots("pool", "import", file, *at(service_url, "--pool", name, *options))
    assert result.exit_code == 2
    with pytest.raises(NotFound):
        client.pool(name)
    client.create_pool(name)
    bots("pool", "import", file, *at(service_url, "--pool", name, *options))
    assert client.pool(name).tasks == 0


def test_a_conflict_with_the_pool_is_found_before_anything_is_sent(
    bots: Bots, service_url: str, pool: tuple[str, SelectorClient], tmp_path: Path
):
    name, client = pool
    client.create_pool(name)
    client.add_tasks(name, [Task(id="old", domain="math", references={"weak": 0.5}), Task(id="other")])
    rows = [{"id": f"n{i}", "kind": "code"} for i in range(1, 10_031)]
    rows[10_020]["id"] = "old"
    file = written(tmp_path, ".jsonl", rows)
    result = bots("pool", "import", file, *at(service_url, "--pool", name, "--domain", "kind"))
    assert result.exit_code == 2
    assert (
        f"tasks.jsonl, line 10021: task 'old' has domain 'code', and in pool {name!r} domain 'math'"
        in result.stderr
    )
    assert "--prefix" in result.stderr
    assert client.pool(name).tasks == 2


def test_of_many_conflicts_the_first_are_named(
    bots: Bots, service_url: str, pool: tuple[str, SelectorClient], tmp_path: Path
):
    name, client = pool
    client.create_pool(name)
    client.add_tasks(name, [Task(id=str(i), references={"weak": 0.5}) for i in range(20)])
    file = written(tmp_path, ".jsonl", [{"id": i, "r": 0.25} for i in range(20)])
    result = bots("pool", "import", file, *at(service_url, "--pool", name, "--reference", "weak=r"))
    assert "line 5: task '4' has reference 'weak' 0.25" in result.stderr
    assert "So do 15 more. Nothing was sent." in result.stderr


def test_ids_that_were_there_are_told_where_nothing_else_says_that_they_are_the_same_tasks(
    bots: Bots, service_url: str, pool: tuple[str, SelectorClient], tmp_path: Path
):
    name, _ = pool
    file = written(tmp_path, ".jsonl", [{"id": i, "r": 0.5} for i in range(4)])
    first = bots("pool", "import", file, *at(service_url, "--pool", name))
    assert (first.exit_code, first.stderr) == (0, "")
    again = bots("pool", "import", file, *at(service_url, "--pool", name))
    assert again.exit_code == 0
    assert "4 of 4 ids were in the pool already" in again.stderr
    assert "--prefix" in again.stderr


def test_references_measured_later_extend_the_tasks(
    bots: Bots, service_url: str, pool: tuple[str, SelectorClient], tmp_path: Path
):
    name, client = pool
    file = written(tmp_path, ".jsonl", [{"id": i, "r": 0.5, "s": 0.75} for i in range(4)])
    bots("pool", "import", file, *at(service_url, "--pool", name, "--reference", "m=r"))
    options = ("--pool", name, "--reference", "m=r", "--reference", "n=s")
    result = bots("pool", "import", file, *at(service_url, *options))
    assert "0 inserted, 4 extended by new references, 0 unchanged, 4 tasks in all" in result.stdout
    assert client.pool(name).references == ["m", "n"]


def test_a_reference_that_a_run_reads_is_refused_before_anything_is_sent(
    bots: Bots, service_url: str, pool: tuple[str, SelectorClient], tmp_path: Path
):
    name, client = pool
    client.create_pool(name)
    client.add_tasks(name, [Task(id="old", references={"weak": 0.25, "strong": 0.75}), Task(id="bare")])
    client.create_run(name, name, implicit={"type": "interpolation", "weak": "weak", "strong": "strong"})
    rows = [{"id": f"n{i}", "r": 0.5} for i in range(10_020)] + [{"id": "bare", "r": 0.5}]
    file = written(tmp_path, ".jsonl", rows)
    result = bots("pool", "import", file, *at(service_url, "--pool", name, "--reference", "weak=r"))
    assert result.exit_code == 2
    assert name in result.stderr
    assert client.pool(name).tasks == 2
