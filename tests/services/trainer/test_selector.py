from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from selector_api.store.connection import connect
from selector_api.store.tokens import Tokens
from services.command_line.configuration import checked
from services.command_line.failures import Failure
from services.task_files.tasks import read_tasks
from services.trainer import selector
from services.trainer.config import TrainerConfig
from services.trainer.selector import enter_run, make_run
from tests.service import Service
from tests.services.tiny import trainer_config
from trainer_client import RewardScale


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "service") as service:
        yield service


@pytest.fixture
def tokens(guarded: Service) -> dict[str, str]:
    """A token of each scope."""

    async def create() -> dict[str, str]:
        async with connect(guarded.redis_url) as redis:
            return {scope: await Tokens(redis).create(scope, [scope]) for scope in ("admin", "train")}

    return asyncio.run(create())


def test_a_training_needs_no_right_to_make_what_was_made_for_it(
    folder: Path, guarded: Service, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    config = checked(trainer_config(folder, guarded.url, "made"), TrainerConfig, Path("test.yaml"))
    tasks = read_tasks(config.tasks)
    monkeypatch.setenv("SELECTOR_TOKEN", tokens["train"])
    with pytest.raises(Failure, match=r"selector: .*admin"):
        make_run(config, tasks, begun=False)
    with pytest.raises(Failure, match=r"selector: .*admin"):
        enter_run(config, tasks, begun=False)
    monkeypatch.setenv("SELECTOR_TOKEN", tokens["admin"])
    for _ in range(2):
        make_run(config, tasks, begun=False)
    monkeypatch.setenv("SELECTOR_TOKEN", tokens["train"])
    enter_run(config, tasks, begun=False)
    assert enter_run(config, tasks[1:], begun=False) == RewardScale()


def test_what_is_made_before_a_training_waits_for_no_service_that_the_training_can_do_without(
    folder: Path,
):
    mapping = trainer_config(folder, "http://127.0.0.1:9", "away")
    mapping["selector"]["fallback"] = True
    config = checked(mapping, TrainerConfig, Path("test.yaml"))
    make_run(config, read_tasks(config.tasks), begun=True)


def test_a_training_says_what_it_waits_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(selector, "PATIENCE", (0, 0, 0))
    url = "http://127.0.0.1:9"
    config = checked(trainer_config(folder, url, "waits"), TrainerConfig, Path("test.yaml"))
    with caplog.at_level("INFO"), pytest.raises(Failure, match=f"no service at {url}"):
        enter_run(config, read_tasks(config.tasks), begun=False)
    said = [record.message for record in caplog.records if record.name == "services.trainer"]
    assert said == [f"waiting for the selector at {url} (start it with: bots serve)"] * 2


def test_there_may_be_nothing_to_make(folder: Path):
    mapping = trainer_config(folder, "http://127.0.0.1:9", "there")
    del mapping["selector"]["create"]
    config = checked(mapping, TrainerConfig, Path("test.yaml"))
    make_run(config, read_tasks(config.tasks), begun=False)


def test_a_url_that_is_none_is_named(folder: Path):
    config = checked(trainer_config(folder, "selector:8000", "url"), TrainerConfig, Path("test.yaml"))
    with pytest.raises(Failure, match=r"^selector\.url: .*http"):
        make_run(config, read_tasks(config.tasks), begun=False)
