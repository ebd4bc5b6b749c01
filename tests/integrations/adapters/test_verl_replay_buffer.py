"""verl 0.9.1 trains on selected tasks, by its own v1 trainer, TransferQueue on Ray, agent loops and checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.adapters.verl_runs import BATCH, EVALUATED, STEPS, TASKS, Run
from tests.integrations.conformance import Adapter, check, check_groups, check_order
from tests.integrations.frameworks import Framework
from tests.integrations.runs import StoodIn
from tests.service import Service

SELECTED = (
    "data.custom_cls.path=pkg://trainer_client.integrations.verl_dataset",
    "data.custom_cls.name=ServiceDataset",
    "trainer.v1.sampler.custom_sampler.path=pkg://trainer_client.integrations.verl_replay_buffer",
    "trainer.v1.sampler.custom_sampler.name=ServiceReplayBuffer",
    "actor_rollout_ref.rollout.agent.default_agent_loop=coins",
    "actor_rollout_ref.rollout.agent.num_workers=1",
    "algorithm.rollout_correction.bypass_mode=true",
    "transfer_queue.backend.SimpleStorage.num_data_storage_units=1",
)


@pytest.fixture(scope="module")
def verl() -> Framework:
    return Framework("verl091")


@pytest.fixture
def run(verl: Framework, service_url: str, tmp_path: Path) -> Iterator[Run]:
    made = Run(verl, "verl_v1_training", service_url, tmp_path)
    yield made
    made.client.close()


def test_each_batch_is_selected_after_the_one_before_is_reported_and_a_kill_changes_nothing(run: Run):
    """With tasks that cannot be scored, rollouts of several parts, evaluations, and batches drawn in pieces."""
    run.configure(*SELECTED, "data.gen_batch_size=3")
    (run.folder / "drops").touch()
    run.train_and_kill(8)
    log = run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    assert any(rewards is None for batch in batches for rewards in batch.values())
    check(Adapter(), run.events(), batches)
    assert {task for batch in run.rolled_out("evaluations") for task in batch} == set(EVALUATED)
    assert "selector/etr" in log


def test_one_that_goes_back_goes_on_in_a_fork(run: Run):
    run.configure(*SELECTED, "trainer.save_freq=4")
    run.train_and_kill(7)
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    check(Adapter(), run.events(f"{run.name}-2"), batches)


def test_what_the_filter_throws_away_is_reported(verl: Framework, service_url: str, tmp_path: Path):
    """By verl's own replay buffer; what is drawn in the place of such groups is of the next selections."""
    run = StoodIn(verl, "verl_filtering", service_url, tmp_path)
    run.train()
    run.end_open()
    events, batches = run.events(), run.rolled_out()
    check_groups(events, batches)
    check_order(Adapter(look_ahead=4), events)
    run.client.close()


def test_two_groups_of_a_task_in_a_step_count_each(verl: Framework, service_url: str, tmp_path: Path):
    """They are of two selections, where these share leased tasks: the filter has a step draw from several."""
    run = StoodIn(verl, "verl_filtering", service_url, tmp_path, share_leased=True)
    run.configure(tasks=TASKS[:BATCH])
    run.train()
    run.end_open()
    check_groups(run.events(), run.rolled_out())
    run.client.close()


def test_it_goes_on_while_the_service_is_away(verl: Framework, tmp_path: Path):
    with Service(tmp_path / "service") as service:
        run = Run(verl, "verl_v1_training", service.url, tmp_path / "away")
        unsent = f"+data.selector.unsent_reports={run.folder / 'unsent'}"
        run.configure(*SELECTED, unsent, "+data.selector.max_retries=1")
        run.go_on_while_away(service)
        assert len(run.rolled_out()) == STEPS
        check_groups(run.events(), run.rolled_out())
        run.client.close()


@pytest.mark.parametrize(
    ("settings", "tasks", "message"),
    [
        ((), [*TASKS, "tsk-1"], "lacks 1 of the data set's 41 tasks, such as 'tsk-1'"),
        (("trainer.v1.trainer_mode=colocate_async",), TASKS, "trainer_mode: got 'colocate_async'"),
    ],
)
def test_wrong_ids_and_settings_are_said_at_the_start(
    run: Run, settings: tuple[str, ...], tasks: list[str], message: str
):
    run.configure(*SELECTED, *settings, tasks=tasks)
    with pytest.raises(AssertionError, match=message):
        run.train()
    assert not (run.folder / "notes").exists()
