"""`bots view`: runs that are over, in the service's page, and nothing of them changes."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bots.run_export import write_run
from bots.view_demo import BATCH, STEPS, made_runs
from selector_api.core.insight import insight
from tests.bots.conftest import Bots
from tests.core.runs import fold_all
from tests.service import Service
from trainer_client import SelectorClient, Task

pytestmark = pytest.mark.slow


@contextmanager
def viewed(*arguments: object) -> Iterator[httpx.Client]:
    """What `bots view` serves meanwhile."""
    command = [str(Path(sys.executable).with_name("bots")), "view", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"(http://127\.0\.0\.1:\d+)/ ", line)
            assert found, (line, process.stderr and process.stderr.read())
            with httpx.Client(base_url=found[1], timeout=60) as http:
                yield http
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert errors == ""


def test_the_demo_shows_made_runs_and_lets_nothing_change() -> None:
    with viewed("--demo") as http:
        assert "BOTS Selector" in http.get("/").text
        runs = http.get("/runs").json()["runs"]
        assert {run["run"]: run["step"] for run in runs} == dict.fromkeys(
            ("demo-bots", "demo-random", "demo-rasch"), STEPS
        )
        for path, body in (
            ("/select", {"run": "demo-bots", "batch_size": 1}),
            ("/runs/demo-bots/exclude", {}),
        ):
            refused = http.post(path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (405, "method-not-allowed")
        assert http.delete("/runs/demo-bots").status_code == 405


def test_a_data_folder_and_an_exported_run_are_shown_and_stay_as_they_are(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as service:
        with SelectorClient(service.url, run="r") as client:
            client.create_pool("p")
            client.add_tasks("p", [Task(id=f"t{number}") for number in range(20)])
            client.create_run("r", "p")
            batch = client.select(4)
            client.report(batch, {task: [0.0, 1.0] for task in batch.tasks})
            known = httpx.get(f"{service.url}/runs/r/insight").json()
            write_run(client, "r", tmp_path / "saved.zip")
        refused = subprocess.run(
            [str(Path(sys.executable).with_name("bots")), "view", str(service.data_dir)],
            capture_output=True,
            text=True,
        )
        assert refused.returncode == 2
        assert "a service runs on it" in refused.stderr
        assert service.stop() == 0
    before = {path: path.read_bytes() for path in sorted((tmp_path / "data").rglob("*")) if path.is_file()}
    with viewed(tmp_path / "data") as http:
        assert http.get("/runs/r/insight").json() == known
    after = {path: path.read_bytes() for path in sorted((tmp_path / "data").rglob("*")) if path.is_file()}
    assert after == before
    with viewed(tmp_path / "saved.zip") as http:
        assert http.get("/runs/saved/insight").json() == known | {"run": "saved"}


def test_a_log_by_itself_is_shown_if_its_posterior_reads_no_references(tmp_path: Path, bots: Bots) -> None:
    *_, (_, events, _) = made_runs(steps=2)
    log = list(events)
    (tmp_path / "needs.jsonl").write_text("".join(json.dumps(event) + "\n" for event in log))
    refused = bots("view", tmp_path / "needs.jsonl")
    assert (refused.exit_code, "large, small" in refused.stderr or "small, large" in refused.stderr) == (
        2,
        True,
    )
    log[0] = {**log[0], "config": {**log[0]["config"], "posterior": {"type": "bots"}}}
    (tmp_path / "run.jsonl").write_text("".join(json.dumps(event) + "\n" for event in log))
    with viewed(tmp_path / "run.jsonl") as http:
        assert http.get("/runs/run").json()["step"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Usage"),
        (("--demo", "x.jsonl"), "give a file or a data folder, or --demo"),
        (("missing.jsonl",), "there is no such file"),
        (("."), "it is no data folder"),
        ((__file__,), "not JSON"),
    ],
)
def test_mistakes_are_named(
    bots: Bots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = bots("view", *arguments)
    assert refused.exit_code == 2
    assert words in refused.output


def test_the_demo_is_made_from_its_seed_alone() -> None:
    first, again = (
        [
            (name, [{**event, "at": 0, "expires_at": 0} for event in events])
            for name, events, _ in made_runs(steps=3)
        ]
        for _ in range(2)
    )
    assert first == again


def test_the_demo_has_something_to_tell() -> None:
    name, events, table = next(iter(made_runs()))
    told = insight(fold_all(events, table), 100)
    assert name == "demo-bots"
    assert {"learning", "starving", "honest", "stuck"} <= {each["code"] for each in told["advisories"]}
    assert sum(point["groups"] for point in told["points"]) > 0.9 * STEPS * BATCH


def test_a_port_that_is_taken_is_named(bots: Bots) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = bots("view", "--demo", "--port", taken.getsockname()[1])
    assert refused.exit_code == 2
    assert "0 takes a free one" in refused.stderr
