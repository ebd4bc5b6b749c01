"""What there is, and changing and getting rid of it, from the command line on a real service."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bots import confirmation
from tests.bots.conftest import Bots, commit
from trainer_client import SelectorClient, Task


@pytest.fixture
def here(bots: Bots, service_url: str, monkeypatch: pytest.MonkeyPatch) -> Bots:
    """Runs a command line for the service."""
    monkeypatch.setenv("SELECTOR_URL", service_url)
    monkeypatch.setenv("COLUMNS", "300")
    return bots


@pytest.fixture
def client(service_url: str, run: str) -> Iterator[SelectorClient]:
    with SelectorClient(service_url, run=run) as client:
        yield client


def words_of(output: str, name: str) -> list[str]:
    """The words of the line that begins with this name."""
    return next(line.split() for line in output.splitlines() if line.split()[:1] == [name])


def test_lists_name_what_there_is(here: Bots, run: str) -> None:
    assert words_of(here("pool", "list").stdout, run)[:2] == [run, "12"]
    name, pool, step, *last_commit = words_of(here("run", "list", "--pool", run).stdout, run)
    assert (name, pool, step) == (run, run, "1")
    assert last_commit[0][:4].isdecimal()
    shown = here("pool", "show", run).stdout
    assert "algebra" in shown
    assert "weak" in shown


@pytest.mark.parametrize("kind", ["pool", "run"])
def test_what_is_deleted_is_asked_for(
    here: Bots, run: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "pool":
        used = here("pool", "delete", run, "--yes")
        assert used.exit_code == 2
        assert f"runs draw from it: '{run}'; delete them first, with `bots run delete`" in used.stderr
        here("run", "delete", run, "--yes")
    refused = here(kind, "delete", run)
    assert refused.exit_code == 2
    assert f"Delete {kind} '{run}' with its" in refused.stderr
    assert "add --yes" in refused.stderr
    monkeypatch.setattr(confirmation, "can_be_asked", lambda: True)
    for answer, code in ((False, 1), (True, 0)):
        monkeypatch.setattr("typer.confirm", lambda question, answer=answer: answer)
        assert here(kind, "delete", run).exit_code == code
    assert here(kind, "show", run).exit_code == 2


def test_tasks_are_taken_out_and_brought_back(
    here: Bots, run: str, client: SelectorClient, tmp_path: Path
) -> None:
    (tmp_path / "ids").write_text("task-1\ntask-2\n")
    drawn = partial(client.select, explain=False)
    assert "3 tasks excluded" in here("run", "exclude", run, "task-0", "--file", tmp_path / "ids").stdout
    assert "1 tasks retired" in here("pool", "retire", run, "task-3").stdout
    selection = drawn(8)
    assert not {f"task-{n}" for n in range(4)} & set(selection.tasks)
    client.report(selection, [], final=True)
    assert here("run", "include", run, "task-0", "--file", tmp_path / "ids").exit_code == 0
    assert here("pool", "restore", run, "task-3").exit_code == 0
    assert len(drawn(12).tasks) == 12
    misspelt = here("run", "exclude", run, "task-0", "tsk-1")
    assert "tasks[1]: there is no task 'tsk-1'; near it: 'task-1'" in misspelt.stderr
    assert here("run", "exclude", run).exit_code == 2


def test_a_run_is_changed_and_forked(here: Bots, run: str, client: SelectorClient) -> None:
    commit(client)
    assert here("run", "change", run, "--target", 0.4, "--commit-outcomes", 8).exit_code == 0
    config = client.run_status().config
    assert (config["policy"]["type"], config["policy"]["target"]) == ("thompson", 0.4)
    assert config["commit"] == {"outcomes": 8}
    assert here("run", "change", run).exit_code == 2
    made = here("run", "create", f"{run}-again", "--fork", f"{run}@1", "--forgetting", 0.3)
    assert made.exit_code == 0, made.stderr
    assert made.stdout.endswith("step 1\n")
    forked = client.run_status(f"{run}-again").config["posterior"]
    assert (forked["forgetting"], forked["implicit"]["weak"]) == (0.3, "weak")


def test_rewards_are_said_at_the_start(here: Bots, run: str, client: SelectorClient) -> None:
    here("run", "create", f"{run}-signed", "--pool", run, "--rewards", -1, 1)
    assert client.run_status(f"{run}-signed").config["rewards"] == {"type": "range", "min": -1.0, "max": 1.0}
    here("run", "create", f"{run}-passing", "--pool", run, "--pass-at", 0.5)
    assert client.run_status(f"{run}-passing").config["rewards"] == {"type": "threshold", "pass_at": 0.5}
    assert here("run", "create", "r", "--pool", run, "--pass-at", 0.5, "--rewards", 0, 1).exit_code == 2


def test_selections_are_listed_and_given_back(here: Bots, run: str, client: SelectorClient) -> None:
    selection = client.select(4, key="step-7")
    listed = here("run", "selections", run, "--status", "open").stdout
    assert words_of(listed, selection.selection)[:5] == [selection.selection, "open", "step-7", "1", "4"]
    renewed = here("run", "renew", run, selection.selection, "--seconds", 7200)
    assert f"selection '{selection.selection}' is leased until " in renewed.stdout
    assert here("run", "release", run, selection.selection).exit_code == 0
    assert selection.selection not in here("run", "selections", run, "--status", "open").stdout
    assert len(client.select(12).tasks) == 12


def test_the_course_of_a_run_is_printed(here: Bots, run: str) -> None:
    assert here("run", "history", run, "--points", 5).stdout.startswith("{")


def test_an_earlier_run_is_a_reference_of_the_next(
    here: Bots, run: str, client: SelectorClient, tmp_path: Path
) -> None:
    file = tmp_path / "posteriors.parquet"
    assert here("posteriors", "export", run, file).exit_code == 0
    means = {row.task: row.mean for row in client.posteriors()}
    columns = ("--id", "task", "--domain", "domain", "--reference", "earlier=mean")
    imported = here("pool", "import", file, "--pool", f"{run}-next", *columns)
    assert imported.exit_code == 0, imported.stderr
    info = client.pool(f"{run}-next")
    assert info.references == ["earlier"]
    assert info.domains == {"algebra": 6, "sets": 6}
    client.create_pool(f"{run}-other")
    client.add_tasks(
        f"{run}-other", [Task(id=f"task-{n}", domain="sets" if n % 2 else "algebra") for n in range(12)]
    )
    again = here("pool", "import", file, "--pool", f"{run}-other", *columns)
    assert again.exit_code == 0, again.stderr
    rates = {task.id: task.references["earlier"] for task in client.pool_tasks(f"{run}-other")}
    assert rates == pytest.approx(means)
