"""SkyRL trains on selected tasks; its trainer is stood in for: see `skyrl_training`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.conformance import Adapter, check, check_groups
from tests.integrations.runs import StandIn, StoodIn
from tests.integrations.trainings import EVALUATED, STEPS, TASKS
from tests.service import Service


@pytest.fixture
def run(service_url: str, tmp_path: Path) -> Iterator[StoodIn]:
    made = StoodIn(StandIn(), "skyrl_training", service_url, tmp_path)
    yield made
    made.client.close()


def test_it_is_killed_twice_and_goes_on_where_it_was(run: StoodIn):
    """In the middle of its first epoch, and at the beginning of the second; with evaluations."""
    for step in (3, 6):
        run.train_and_kill(step)
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    check(Adapter(), run.events(), batches)
    assert {task for batch in run.rolled_out("evaluations") for task in batch} == set(EVALUATED)


def test_it_goes_on_while_the_service_is_away(tmp_path: Path):
    with Service(tmp_path / "service") as service:
        run = StoodIn(StandIn(), "skyrl_training", service.url, tmp_path / "away")
        run.go_on_while_away(service)
        batches = run.rolled_out()
        assert len(batches) == STEPS
        check_groups(run.events(), batches)
        run.client.close()


def test_wrong_ids_are_said_at_the_start(run: StoodIn):
    run.configure(tasks=[*TASKS, "tsk-1"])
    message = "lacks 1 of the data set's 41 tasks, such as 'tsk-1'"
    with pytest.raises(AssertionError, match=message):
        run.train()
    assert not (run.folder / "notes").exists()
