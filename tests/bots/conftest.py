"""The commands, run in this process against the client's fake of the service, or against a real one."""

from collections.abc import Callable
from functools import partial
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

import trainer_client
from bots.app import app
from trainer_client import FakeSelector, Outcome, SelectorClient, Task

Bots = Callable[..., Result]


@pytest.fixture
def bots(monkeypatch: pytest.MonkeyPatch) -> Bots:
    """Runs a command line; a bug's exception is raised, so a Result stands for an end without traceback."""
    for name in (
        "SELECTOR_TOKEN",
        "SELECTOR_REDIS_URL",
        "SELECTOR_DATA_DIR",
        "SELECTOR_URL",
        "SELECTOR_URL_FILE",
    ):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return invoke


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeSelector:
    """An empty service, at whatever address."""
    fake = FakeSelector()
    client = partial(SelectorClient, transport=fake.transport)
    monkeypatch.setattr(trainer_client, "SelectorClient", client)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return fake


@pytest.fixture
def run(service_url: str) -> str:
    """A run of a real service: 12 tasks in the domains "algebra" and "sets", one commit of four outcomes."""
    name = f"cli-{uuid4().hex}"
    with SelectorClient(service_url, run=name) as client:
        client.create_pool(name)
        references = {"weak": 0.25, "strong": 0.75}
        client.add_tasks(
            name,
            [
                Task(id=f"task-{i}", domain="sets" if i % 2 else "algebra", references=references)
                for i in range(12)
            ],
        )
        client.create_run(name, name, implicit={"type": "interpolation", "weak": "weak", "strong": "strong"})
        commit(client)
    return name


def client_of(fake: FakeSelector) -> SelectorClient:
    """A client of the fake service, for what a test prepares."""
    return SelectorClient("http://selector", transport=fake.transport)


def commit(client: SelectorClient) -> None:
    """Select four tasks and report that half of their 16 rollouts passed."""
    selection = client.select(4)
    client.report(selection, [Outcome(task=task, successes=8, trials=16) for task in selection.tasks])
