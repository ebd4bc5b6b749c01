"""The commands, run in this process against the client's fake of the service."""

from collections.abc import Callable
from functools import partial

import pytest
from typer.testing import CliRunner, Result

import trainer_client
from selector_api.cli.app import app
from trainer_client import FakeSelector

Bots = Callable[..., Result]


@pytest.fixture
def bots(monkeypatch: pytest.MonkeyPatch) -> Bots:
    """Runs a command line; a bug's exception is raised, so a Result stands for an end without traceback."""
    monkeypatch.delenv("SELECTOR_TOKEN", raising=False)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return invoke


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeSelector:
    """An empty service, at whatever address."""
    fake = FakeSelector()
    client = partial(trainer_client.SelectorClient, transport=fake.transport)
    monkeypatch.setattr(trainer_client, "SelectorClient", client)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return fake
