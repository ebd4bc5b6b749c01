"""slime trains on selected tasks; its data source, rollouts and loop are stood in for: see `slime_training`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.conformance import Adapter, check, check_groups, noted
from tests.integrations.frameworks import Training
from tests.integrations.runs import Run, StandIn, failed
from tests.integrations.trainings import EVALUATED, STEPS, TASKS
from tests.service import Service

DYNAMIC = Adapter(look_ahead=5)
"""A rollout draws until its batch is full of groups that differ, and reports all at its end."""


@pytest.fixture
def run(service_url: str, tmp_path: Path) -> Iterator[Run]:
    made = Run(service_url, tmp_path)
    yield made
    made.client.close()


def start(run: Run) -> Training:
    return StandIn().start("slime_training", run.folder, log=run.folder / "log")


def test_a_rollout_reports_all_that_it_has_finished_before_the_next_one_selects(run: Run):
    """With groups that fail, a filter of groups without variance, and evaluations."""
    run.configure(drops=True)
    with start(run) as training:
        training.end()
    batches = noted(run.folder / "notes")
    assert len(batches) > STEPS
    assert failed(batches)
    check(DYNAMIC, run.events(), batches)
    assert {task for batch in noted(run.folder / "evaluations") for task in batch} == set(EVALUATED)


def test_a_training_that_is_killed_goes_on_where_it_was(run: Run):
    stop = run.stop_at(7)
    with start(run) as training:
        run.wait_for(7, training)
        training.kill()
    stop.unlink()
    with start(run) as training:
        training.end()
    check(DYNAMIC, run.events(), noted(run.folder / "notes"))


def test_partial_rollouts_are_reported_when_they_are_finished(run: Run):
    run.configure(partial_rollout=True)
    with start(run) as training:
        training.end()
    check_groups(run.events(), noted(run.folder / "notes"))
    left = int((run.folder / "left").read_text())
    assert run.client.run_status().dropped == left  # when the training ended, and none before


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
        check_groups(run.events(), noted(run.folder / "notes"))
        run.client.close()


def test_wrong_ids_are_said_at_the_start(run: Run):
    run.configure(tasks=[*TASKS, "tsk-1"])
    message = "lacks 1 of the data set's 41 tasks, such as 'tsk-1'"
    with start(run) as training, pytest.raises(AssertionError, match=message):
        training.end()
    assert not (run.folder / "notes").exists()
