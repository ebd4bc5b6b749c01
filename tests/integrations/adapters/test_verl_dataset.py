"""verl 0.8.0 trains on selected tasks, by its own `RayPPOTrainer` and checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integrations.adapters.verl_runs import BATCH, EVALUATED, STEPS, TASKS, Run
from tests.integrations.conformance import Adapter, check_drops, check_groups, check_keys, check_order
from tests.integrations.frameworks import Framework
from tests.service import Service

DATASET = (
    "data.custom_cls.path=pkg://trainer_client.integrations.verl_dataset",
    "data.custom_cls.name=ServiceDataset",
)


@pytest.fixture
def run(service_url: str, tmp_path: Path) -> Run:
    return Run(Framework("verl080"), "verl_ray_training", service_url, tmp_path)


def test_a_training_that_is_killed_goes_on_where_it_was_and_reports_all_but_its_last_step(run: Run):
    """With tasks that cannot be scored, groups without variance, evaluations, and over the end of an epoch."""
    run.configure(*DATASET)
    (run.folder / "drops").touch()
    run.train_and_kill(8)
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    adapter, events = Adapter(), run.events()
    check_keys(adapter, events, batches)
    check_order(adapter, events)
    check_groups(events, batches[:-1])
    check_drops(adapter, events, batches[:-1])
    assert [len(row.tasks) for row in run.client.selections("open")] == [BATCH]
    assert {task for batch in run.rolled_out("evaluations") for task in batch} == set(EVALUATED)
    run.client.close()


def test_one_that_goes_back_goes_on_in_a_fork(run: Run):
    run.configure(*DATASET, "trainer.save_freq=4")
    run.train_and_kill(7)
    run.train()
    batches, events = run.rolled_out(), run.events(f"{run.name}-2")
    assert len(batches) == STEPS
    check_order(Adapter(), events)
    check_groups(events, batches[:-1])
    run.client.close()


def test_two_groups_of_a_task_in_a_batch_count_each(service_url: str, tmp_path: Path):
    """They are of two selections, which a batch is of that is smaller than one, where these share leased tasks."""
    run = Run(Framework("verl080"), "verl_ray_training", service_url, tmp_path, share_leased=True)
    run.configure(*DATASET, "+data.gen_batch_size=4", f"trainer.total_epochs={STEPS}", tasks=TASKS[:BATCH])
    run.train()
    *batches, last = run.rolled_out()
    told = dict(list(last.items())[:-4])  # without the last step
    run.end_open()
    check_groups(run.events(), [*batches, told])
    run.client.close()


def test_it_goes_on_while_the_service_is_away(tmp_path: Path):
    with Service(tmp_path / "service") as service:
        run = Run(Framework("verl080"), "verl_ray_training", service.url, tmp_path / "away")
        unsent = f"+data.selector.unsent_reports={run.folder / 'unsent'}"
        run.configure(*DATASET, unsent, "+data.selector.max_retries=1")
        run.go_on_while_away(service)
        batches = run.rolled_out()
        assert len(batches) == STEPS
        check_groups(run.events(), batches[:-1])
        run.client.close()


def test_wrong_ids_are_said_at_the_start(run: Run):
    run.configure(*DATASET, tasks=[*TASKS, "tsk-1"])
    message = "lacks 1 of the data set's 41 tasks, such as 'tsk-1'"
    with pytest.raises(AssertionError, match=message):
        run.train()
    assert not (run.folder / "notes").exists()
    run.client.close()
