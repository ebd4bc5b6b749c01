"""What the how-tos say to type is typed, as it stands there, on a real service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from tests.docs.blocks import ROOT, block, going_on, shell
from tests.service import Service
from tests.web.test_horizon import EVALUATIONS, evaluate
from trainer_client import SelectorClient, Task

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

OPERATIONS = "docs/how-to/operations.md"


@contextmanager
def made(folder: Path) -> Iterator[Service]:
    """A service with the documents' data folder, and a pool and a run after two steps."""
    with Service(folder / "bots-data") as service:
        with SelectorClient(service.url, run="my-run") as client:
            client.create_pool("my-pool")
            client.add_tasks("my-pool", [Task(id=f"task-{number}") for number in range(20)])
            client.create_run("my-run", "my-pool")
            for step in range(2):
                batch = client.select(4, key=f"step-{step}")
                client.report(batch, {task: [0.0, 1.0] for task in batch.tasks})
        yield service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """One that a test may end, or close to whoever has no token."""
    with made(tmp_path) as service:
        yield service


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One in which every test leaves pool and run as they are."""
    with made(tmp_path_factory.mktemp("shared")) as service:
        yield service


def typed(commands: str, service: Service, folder: Path, **variables: str) -> str:
    """What commands write that find the service by the environment, or at the documents' address."""
    commands = commands.replace("http://127.0.0.1:8000", service.url)
    return shell(commands, folder, {"SELECTOR_URL": service.url} | variables)


def test_what_is_there_is_listed_held_back_and_deleted(service: Service, tmp_path: Path) -> None:
    with SelectorClient(service.url, run="my-run") as client:
        held = client.select(4)
    commands = block(OPERATIONS, "bots pool list")
    for name, value in (
        (r"\bSELECTION\b", held.selection),
        (r"\bTASK…", "task-1 task-2"),
        (r"\bPOOL\b", "my-pool"),
        (r"\bRUN\b", "my-run"),
        (r" delete ", " delete --yes "),  # where nobody can be asked
    ):
        commands = re.sub(name, value, commands)
    told = typed(commands, service, tmp_path)
    assert held.selection in told
    assert typed("bots pool list; bots run list", service, tmp_path).count("my-") == 0


def test_a_backup_of_a_folder_is_served_where_it_is_put_back(service: Service, tmp_path: Path) -> None:
    command, *_ = block(OPERATIONS, "sh deploy/backup.sh").splitlines()
    shell(command.replace("deploy/", f"{ROOT}/deploy/"), tmp_path)
    assert service.stop() == 0
    put_back = block(OPERATIONS, "mkdir restored").splitlines()[0]
    with going_on(f"{put_back} --port 0 2>&1", tmp_path, r"http://127\.0\.0\.1:\d+") as line:
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found is not None
        assert httpx.get(f"{found[0]}/runs/my-run", timeout=60).json()["step"] == 2


def test_the_page_shows_runs_that_are_over(service: Service, tmp_path: Path) -> None:
    typed("bots run export my-run my-run.zip", service, tmp_path)
    assert service.stop() == 0
    shown = {
        "bots view --demo": "demo-bots",
        "bots view my-run.zip": "my-run",
        "bots view bots-data": "my-run",
    }
    commands = block("docs/how-to/dashboard.md", "bots view --demo").splitlines()
    assert [command.partition("#")[0].strip() for command in commands] == list(shown)
    for command, run in shown.items():
        with going_on(command, tmp_path, r"http://127\.0\.0\.1:\d+/ ") as line:
            address = line.split("/ ")[0]
            runs = httpx.get(f"{address}/runs", timeout=60).json()["runs"]
        assert run in [each["run"] for each in runs], command


def test_doctor_looks_at_the_data_folder(shared: Service) -> None:
    command, _ = block(OPERATIONS, "bots doctor").splitlines()
    assert "GB free" in typed(command, shared, shared.data_dir.parent)


def test_events_are_moved_out_and_joined_again(tmp_path: Path) -> None:
    environment = {"SELECTOR_HORIZON_DAYS": "1e-9", "SELECTOR_APPENDFSYNC": "everysec"}
    service = Service(tmp_path / "bots-data", environment=environment)
    with service:
        with SelectorClient(service.url, run="my-run") as client:
            client.create_pool("pool")
            client.add_tasks("pool", [Task(id=f"task-{number}") for number in range(10)])
            client.create_run("my-run", "pool")
        anyio.run(evaluate, service, EVALUATIONS, "my-run")
        with SelectorClient(service.url, run="my-run") as client:
            client.select(2)
        assert service.stop() == 0, service.log()  # which waits for what is packed
        archive, *rest = block(OPERATIONS, "bots run archive").splitlines()
        command = archive.partition(" #")[0]
        assert "500 events" in shell(f"{command} --yes", tmp_path)
        service.start()
        assert "as it ran" in typed("\n".join(rest), service, tmp_path)


@pytest.mark.parametrize("trainer", ["openrlhf", "prime-rl"])
def test_a_run_that_commits_by_outcomes(shared: Service, tmp_path: Path, trainer: str) -> None:
    run = f"by-{trainer}"
    command = block(f"docs/how-to/trainers/{trainer}.md", "bots run create")
    told = re.search(r"# (\{.*\})", command)
    assert told is not None
    (tmp_path / "run.json").write_text(told[1])
    typed(command.replace("my-run", run), shared, tmp_path)
    config = httpx.get(f"{shared.url}/runs/{run}", timeout=60).json()["config"]
    assert config["commit"] == json.loads(told[1])["commit"]


def test_pool_and_run_of_a_training_by_trl(shared: Service, tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").write_text('{"id": "a", "prompt": "1 + 1", "answer": "2"}\n')
    commands = block("docs/how-to/trainers/trl.md", "bots pool import").replace("my-run", "by-trl")
    typed(commands, shared, tmp_path)
    assert "my-tasks" in typed("bots run show by-trl", shared, tmp_path)


def test_the_tokens_of_the_page_on_security(service: Service, tmp_path: Path) -> None:
    commands = block("docs/how-to/security.md", "bots token create")
    told = typed(commands, service, tmp_path, SELECTOR_DATA_DIR=str(service.data_dir))
    assert "trainer-1" in told
