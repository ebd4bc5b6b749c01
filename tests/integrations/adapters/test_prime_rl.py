"""prime-rl trains on selected tasks; its orchestrator is stood in for: see `prime_rl_training`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.conformance import Adapter, Event, check_drops, check_groups
from tests.integrations.runs import StandIn, StoodIn, failed
from tests.integrations.trainings import BATCH, EVALUATED, STEPS, TASKS
from tests.service import Service
from trainer_client.groups import NOT_SCORED

COMMIT = {"outcomes": BATCH}


@pytest.fixture
def run(service_url: str, tmp_path: Path) -> Iterator[StoodIn]:
    made = StoodIn(StandIn(), "prime_rl_training", service_url, tmp_path, commit=COMMIT)
    yield made
    made.client.close()


def check_keys(run: StoodIn) -> None:
    keys = [event["key"] for event in run.events() if event["type"] == "selected"]
    assert keys == [f"step-{number}.0" for number in range(len(keys))]


def with_told_drops(event: Event) -> Event:
    """Without those that were in flight when the training ended."""
    if event["type"] != "dropped":
        return event
    return {**event, "drops": [[place, why] for place, why in event["drops"] if why == NOT_SCORED]}


def test_groups_in_flight_share_selections_and_count_as_they_end(run: StoodIn):
    """With groups that fail, a gate for groups without variance, and evaluations."""
    run.configure(drops=True)
    run.train()
    batches = run.rolled_out()
    assert failed(batches)
    check_keys(run)
    check_groups(run.events(), batches)
    check_drops(Adapter(), [with_told_drops(event) for event in run.events()], batches)
    commits = [event for event in run.events() if event["type"] == "committed"]
    assert [sum(map(len, commit["outcomes"].values())) for commit in commits[:STEPS]] == [BATCH] * STEPS
    assert {task for batch in run.rolled_out("evaluations") for task in batch} == set(EVALUATED)


def test_two_groups_of_a_task_in_flight_count_each(service_url: str, tmp_path: Path):
    """They are of two selections, where these share leased tasks."""
    run = StoodIn(StandIn(), "prime_rl_training", service_url, tmp_path, commit=COMMIT, share_leased=True)
    run.configure(tasks=TASKS[:BATCH])
    run.train()
    check_groups(run.events(), run.rolled_out())
    run.client.close()


def test_a_training_that_is_killed_goes_on_from_its_checkpoint(run: StoodIn):
    run.train_and_kill(7)
    run.train()
    check_keys(run)
    check_groups(run.events(), run.rolled_out())


def test_it_goes_on_while_the_service_is_away(tmp_path: Path):
    with Service(tmp_path / "service") as service:
        run = StoodIn(StandIn(), "prime_rl_training", service.url, tmp_path / "away", commit=COMMIT)
        run.go_on_while_away(service)
        check_groups(run.events(), run.rolled_out())
        run.client.close()


def test_wrong_ids_are_said_at_the_start(run: StoodIn):
    run.configure(tasks=[*TASKS, "tsk-1"])
    message = "lacks 1 of the data set's 41 tasks, such as 'tsk-1'"
    with pytest.raises(AssertionError, match=message):
        run.train()
    assert not (run.folder / "notes").exists()
