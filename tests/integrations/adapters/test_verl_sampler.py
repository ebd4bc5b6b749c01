"""verl 0.7.1 trains on selected tasks, by its own `RayPPOTrainer` and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.adapters.verl_runs import BATCH, EVALUATED, ROLLOUTS, STEPS, TASKS, Run
from tests.integrations.conformance import Adapter, check, check_groups
from tests.integrations.frameworks import Framework
from tests.service import Service

SAMPLER = (
    "data.sampler.class_path=pkg://trainer_client.integrations.verl_sampler",
    "data.sampler.class_name=ServiceSampler",
)


@pytest.fixture(scope="module")
def verl() -> Framework:
    return Framework("verl071")


@pytest.fixture
def run(verl: Framework, service_url: str, tmp_path: Path) -> Iterator[Run]:
    made = Run(verl, "verl_ray_training", service_url, tmp_path)
    yield made
    made.client.close()


def test_each_batch_is_selected_after_the_one_before_is_reported_and_a_kill_changes_nothing(run: Run):
    """With tasks that cannot be scored, groups without variance, evaluations, and over the end of an epoch."""
    run.configure(*SAMPLER)
    (run.folder / "drops").touch()
    run.train_and_kill(8)
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    assert any(rewards is None for batch in batches for rewards in batch.values())
    check(Adapter(), run.events(), batches)
    assert {task for batch in run.rolled_out("evaluations") for task in batch} == set(EVALUATED)


def test_one_that_is_killed_after_it_saved_and_before_it_reported_loses_that_batch(run: Run):
    """And trains it once. The checkpoint is at the end of an epoch."""
    run.configure(*SAMPLER)
    run.train_and_kill("saved-6")
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    check(Adapter(lost=1), run.events(), [*batches[:5], *batches[6:]])


def test_one_that_goes_back_goes_on_in_a_fork(run: Run):
    run.configure(*SAMPLER, "trainer.save_freq=4")
    run.train_and_kill(7)
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    check(Adapter(), run.events(f"{run.name}-2"), batches)
    rows = run.client.posteriors(f"{run.name}-2")
    assert sum(row.trials or 0 for row in rows) == STEPS * BATCH * ROLLOUTS


def test_it_goes_on_while_the_service_is_away(verl: Framework, tmp_path: Path):
    with Service(tmp_path / "service") as service:
        run = Run(verl, "verl_ray_training", service.url, tmp_path / "away")
        unsent = f"+data.selector.unsent_reports={run.folder / 'unsent'}"
        run.configure(*SAMPLER, unsent, "+data.selector.max_retries=1")
        run.go_on_while_away(service)
        assert len(run.rolled_out()) == STEPS
        check_groups(run.events(), run.rolled_out())
        run.client.close()


def test_wrong_ids_are_said_at_the_start(run: Run):
    run.configure(*SAMPLER, tasks=[*TASKS, "tsk-1"])
    message = "lacks 1 of the data set's 41 tasks, such as 'tsk-1'"
    with pytest.raises(AssertionError, match=message):
        run.train()
    assert not (run.folder / "notes").exists()


@pytest.mark.parametrize(
    ("settings", "column", "rows", "message"),
    [
        ({"dataloader_num_workers": 8}, "index", 0, "data.dataloader_num_workers: got 8"),
        ({}, "id", 0, "data.selector.column: extra_info has no 'id'; it has 'index'"),
        ({}, "index", BATCH + 1, f"has reported nothing of the last {BATCH} tasks"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_trained_on_it(
    run: Run, settings: dict[str, int], column: str, rows: int, message: str
):
    """Workers that read ahead; ids that are elsewhere; a trainer that does not report."""
    selector = {"run": run.name, "url": run.url, "column": column}
    data = {"dataloader_num_workers": 0, "selector": selector, **settings}
    (run.folder / "data.json").write_text(json.dumps({"data": data, "tasks": TASKS, "batch_size": BATCH}))
    training = run.framework.start(
        "verl_drawing", run.folder / "data.json", str(rows), log=run.folder / "log"
    )
    with training, pytest.raises(AssertionError, match=message):
        training.end()
    assert sum(line.startswith("drew") for line in training.log().splitlines()) == min(rows, BATCH)
