import csv
import json
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pyarrow import parquet

import trainer_client
from tests.bots.conftest import Bots
from trainer_client import FakeSelector, SelectorClient, Task


def exported(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".parquet":
        rows = parquet.read_table(path).to_pylist()
        return [row | {"references": dict(row["references"])} for row in rows]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return [
            {
                name: (cell if name in ("task", "domain") else json.loads(cell)) if cell != "" else None
                for name, cell in row.items()
            }
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_posteriors_hold_every_task(bots: Bots, service_url: str, run: str, tmp_path: Path, suffix: str):
    file = tmp_path / f"posteriors{suffix}"
    result = bots("posteriors", "export", run, file, "--url", service_url)
    assert result.exit_code == 0, result.output
    assert "12 tasks" in result.stdout
    with SelectorClient(service_url, run=run) as client:
        assert exported(file) == [row.model_dump() for row in client.posteriors()]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_posteriors_of_a_large_pool_are_of_one_state_while_the_run_goes_on(
    bots: Bots, service_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suffix: str
):
    run = f"cli-{uuid4().hex}"
    tasks = [f"{'task, é' if i % 2 else 'task'}-{i}" for i in range(10_001)]
    trainer = SelectorClient(service_url, run=run)

    class CommitBeforeEachCall(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            selection = trainer.select(10_000)
            trainer.report(selection, {task: [1, 0] for task in selection.tasks})
            return super().handle_request(request)

    with trainer:
        trainer.create_pool(run)
        trainer.add_tasks(run, (Task(id=task) for task in tasks))
        trainer.create_run(run, run, policy={"type": "sequential"})
        client = partial(SelectorClient, transport=CommitBeforeEachCall())
        monkeypatch.setattr(trainer_client, "SelectorClient", client)
        file = tmp_path / f"posteriors{suffix}"
        result = bots("posteriors", "export", run, file, "--url", service_url)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{file}: 10,001 tasks\n"
    rows = exported(file)
    assert [row["task"] for row in rows] == tasks
    # As after the first commit: the second one comes to the last task.
    assert [row["selected"] for row in rows] == [1] * 10_000 + [0]
    assert [row["last_step"] for row in rows] == [1] * 10_000 + [None]


def test_events_are_the_log(bots: Bots, service_url: str, run: str, tmp_path: Path):
    file = tmp_path / "events.jsonl"
    result = bots("events", "export", run, file, "--url", service_url)
    assert result.exit_code == 0, result.output
    with SelectorClient(service_url, run=run) as client:
        events = list(client.events())
    assert exported(file) == events
    assert [event["type"] for event in events] == ["created", "selected", "committed"]
    assert result.stdout == f"{file}: 3 events\n"


@pytest.mark.parametrize("command", ["posteriors", "events"])
class TestTheFile:
    def test_it_is_replaced_when_the_new_one_is_complete(
        self, bots: Bots, service_url: str, run: str, tmp_path: Path, command: str
    ):
        file = tmp_path / "out.jsonl"
        file.write_text("earlier")
        link = tmp_path / "link.jsonl"
        link.symlink_to(file)
        assert bots(command, "export", run, link, "--url", service_url).exit_code == 0
        assert len(exported(file)) in (3, 12)
        assert sorted(tmp_path.iterdir()) == [link, file]

    def test_it_stays_as_it_was_when_the_export_fails(
        self, bots: Bots, fake: FakeSelector, tmp_path: Path, command: str
    ):
        file = tmp_path / "out.jsonl"
        file.write_text("earlier")
        result = bots(command, "export", "no-such-run", file)
        assert result.exit_code == 2
        assert "no-such-run" in result.stderr
        assert file.read_text() == "earlier"
        assert list(tmp_path.iterdir()) == [file]

    @pytest.mark.parametrize("name", ["missing/out.jsonl", "folder.jsonl"])
    def test_a_place_where_it_cannot_be_is_said(
        self, bots: Bots, service_url: str, run: str, tmp_path: Path, command: str, name: str
    ):
        (tmp_path / "folder.jsonl").mkdir()
        result = bots(command, "export", run, tmp_path / name, "--url", service_url)
        assert result.exit_code == 2
        assert f"Error: {tmp_path / name}: " in result.stderr


def test_posteriors_have_no_other_format(bots: Bots, fake: FakeSelector, tmp_path: Path):
    result = bots("posteriors", "export", "r", tmp_path / "posteriors.xlsx")
    assert result.exit_code == 2
    assert "one of .parquet, .csv, .jsonl" in result.stderr
    assert fake.requests == []
