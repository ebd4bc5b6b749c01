"""SkyRL trains on selected tasks; its trainer is stood in for: see `skyrl_training`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.conformance import Adapter, check, check_groups, noted
from tests.integrations.frameworks import Training
from tests.integrations.runs import Run, StandIn
from tests.integrations.trainings import EVALUATED, STEPS, TASKS
from tests.service import Service


@pytest.fixture
def run(service_url: str, tmp_path: Path) -> Iterator[Run]:
    made = Run(service_url, tmp_path)
    yield made
    made.client.close()


def start(run: Run) -> Training:
    return StandIn().start("skyrl_training", run.folder, log=run.folder / "log")


def test_it_is_killed_twice_and_goes_on_where_it_was(run: Run):
    """In the middle of its first epoch, and at the beginning of the second; with evaluations."""
    for step in (3, 6):
        stop = run.stop_at(step)
        with start(run) as training:
            run.wait_for(step, training)
            training.kill()
        stop.unlink()
    with start(run) as training:
        training.end()
    batches = noted(run.folder / "notes")
    assert len(batches) == STEPS
    check(Adapter(), run.events(), batches)
    assert {task for batch in noted(run.folder / "evaluations") for task in batch} == set(EVALUATED)


def test_it_goes_on_while_the_service_is_away(tmp_path: Path):
    with Service(tmp_path / "service") as service:
        run = Run(service.url, tmp_path / "away")
        away, back = run.stop_at(4), run.stop_at(7)
        with start(run) as training:
            run.wait_for(4, training)
            service.kill()
            away.unlink()
            run.wait_for(7, training)
            service.start()
            back.unlink()
            training.end()
        batches = noted(run.folder / "notes")
        assert len(batches) == STEPS
        check_groups(run.events(), batches)
        run.client.close()


def test_wrong_ids_are_said_at_the_start(run: Run):
    run.configure(tasks=[*TASKS, "tsk-1"])
    message = "lacks 1 of the data set's 41 tasks, such as 'tsk-1'"
    with start(run) as training, pytest.raises(AssertionError, match=message):
        training.end()
    assert not (run.folder / "notes").exists()
