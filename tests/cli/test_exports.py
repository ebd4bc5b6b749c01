import csv
import json
from pathlib import Path

import pytest
from pyarrow import parquet

from trainer_client import FakeSelector, SelectorClient, Task

from .conftest import Bots, client_of


def exported(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return [
            {
                name: (cell if name == "task" else float(cell)) if cell != "" else None
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


def test_posteriors_of_large_pools_are_whole(bots: Bots, fake: FakeSelector, tmp_path: Path):
    tasks = [f"task-{i}" for i in range(20_000)]
    with client_of(fake) as client:
        client.create_pool("p")
        client.add_tasks("p", (Task(id=task) for task in tasks))
        client.create_run("r", "p")
    bots("posteriors", "export", "r", tmp_path / "p.parquet")
    assert parquet.read_table(tmp_path / "p.parquet")["task"].to_pylist() == tasks


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
        assert result.exit_code == 1
        assert "no-such-run" in result.stderr
        assert file.read_text() == "earlier"
        assert list(tmp_path.iterdir()) == [file]

    @pytest.mark.parametrize("name", ["missing/out.jsonl", "folder.jsonl"])
    def test_a_place_where_it_cannot_be_is_said(
        self, bots: Bots, fake: FakeSelector, tmp_path: Path, command: str, name: str
    ):
        with client_of(fake) as client:
            client.create_pool("p")
            client.create_run("r", "p")
        (tmp_path / "folder.jsonl").mkdir()
        result = bots(command, "export", "r", tmp_path / name)
        assert result.exit_code == 1
        assert f"Error: {tmp_path / name}: " in result.stderr


def test_posteriors_have_no_other_format(bots: Bots, fake: FakeSelector, tmp_path: Path):
    result = bots("posteriors", "export", "r", tmp_path / "posteriors.xlsx")
    assert result.exit_code == 2
    assert "one of .parquet, .csv, .jsonl" in result.stderr
    assert fake.requests == []
