"""slime trains on selected tasks; its data source, rollouts and loop are stood in for: see `slime_training`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.conformance import Adapter, check, check_groups
from tests.integrations.runs import StandIn, StoodIn, failed
from tests.integrations.trainings import BATCH, EVALUATED, STEPS, TASKS
from tests.service import Service

DYNAMIC = Adapter(look_ahead=5)
"""A rollout draws until its batch is full of groups that differ, and reports all at its end."""


@pytest.fixture
def run(service_url: str, tmp_path: Path) -> Iterator[StoodIn]:
    made = StoodIn(StandIn(), "slime_training", service_url, tmp_path)
    yield made
    made.client.close()


def test_a_rollout_reports_all_that_it_has_finished_before_the_next_one_selects(run: StoodIn):
    """With groups that fail, a filter of groups without variance, and evaluations."""
    run.configure(drops=True)
    run.train()
    batches = run.rolled_out()
    assert len(batches) > STEPS
    assert failed(batches)
    check(DYNAMIC, run.events(), batches)
    assert {task for batch in run.rolled_out("evaluations") for task in batch} == set(EVALUATED)


def test_a_training_that_is_killed_goes_on_where_it_was(run: StoodIn):
    run.train_and_kill(7)
    run.train()
    check(DYNAMIC, run.events(), run.rolled_out())


def test_from_an_older_checkpoint_it_goes_on_in_a_fork(run: StoodIn):
    run.configure(save_every=4)
    run.train_and_kill(6)
    run.train()
    check(DYNAMIC, run.events(f"{run.name}-2"), run.rolled_out())


def test_partial_rollouts_are_reported_when_they_are_finished(run: StoodIn):
    run.configure(partial_rollout=True)
    run.train()
    check_groups(run.events(), run.rolled_out())
    left = int((run.folder / "left").read_text())
    assert run.client.run_status().dropped == left  # when the training ended, and none before


def test_two_groups_of_a_task_in_a_rollout_count_each(service_url: str, tmp_path: Path):
    """They are of two selections, where these share leased tasks or the service is away."""
    run = StoodIn(StandIn(), "slime_training", service_url, tmp_path, share_leased=True)
    run.configure(tasks=TASKS[:BATCH])
    run.train()
    check_groups(run.events(), run.rolled_out())
    run.client.close()


def test_it_goes_on_while_the_service_is_away(tmp_path: Path):
    with Service(tmp_path / "service") as service:
        run = StoodIn(StandIn(), "slime_training", service.url, tmp_path / "away")
        run.go_on_while_away(service)
        check_groups(run.events(), run.rolled_out())
        run.client.close()


def test_wrong_ids_are_said_at_the_start(run: StoodIn):
    run.configure(tasks=[*TASKS, "tsk-1"])
    message = "lacks 1 of the data set's 41 tasks, such as 'tsk-1'"
    with pytest.raises(AssertionError, match=message):
        run.train()
    assert not (run.folder / "notes").exists()
