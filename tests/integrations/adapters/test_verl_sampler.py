"""verl 0.7.1 trains on selected tasks, by its own `RayPPOTrainer` and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.adapters.verl_runs import BATCH, EVALUATED, ROLLOUTS, STEPS, TASKS, Run
from tests.integrations.conformance import Adapter, check, check_groups, noted
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


def test_each_batch_is_selected_after_the_one_before_is_reported(run: Run):
    """With tasks that cannot be scored, groups without variance, evaluations, and over the end of an epoch."""
    run.configure(*SAMPLER)
    (run.folder / "drops").touch()
    with run.start() as training:
        training.end()
    batches = noted(run.folder / "notes")
    assert len(batches) == STEPS
    assert any(rewards is None for batch in batches for rewards in batch.values())
    check(Adapter(), run.events(), batches)
    evaluated = {task for batch in noted(run.folder / "evaluations") for task in batch}
    assert evaluated == set(EVALUATED)


def test_a_training_that_is_killed_goes_on_where_it_was(run: Run):
    run.configure(*SAMPLER)
    stop = run.stop_at(8)
    with run.start() as training:
        run.wait_for(8, training)
        training.kill()
    stop.unlink()
    with run.start() as training:
        training.end()
    batches = noted(run.folder / "notes")
    assert len(batches) == STEPS
    check(Adapter(), run.events(), batches)


def test_one_that_is_killed_after_it_saved_and_before_it_reported_loses_that_batch(run: Run):
    """And trains it once. The checkpoint is at the end of an epoch."""
    run.configure(*SAMPLER)
    run.stop_at("saved-6")
    with run.start() as training:
        run.wait_for("saved-6", training)
        training.kill()
    (run.folder / "stop-saved-6").unlink()
    with run.start() as training:
        training.end()
    batches = noted(run.folder / "notes")
    assert len(batches) == STEPS
    check(Adapter(lost=1), run.events(), [*batches[:5], *batches[6:]])


def test_one_that_goes_back_goes_on_in_a_fork(run: Run):
    run.configure(*SAMPLER, "trainer.save_freq=4")
    stop = run.stop_at(7)
    with run.start() as training:
        run.wait_for(7, training)
        training.kill()
    stop.unlink()
    with run.start() as training:
        training.end()
    batches = noted(run.folder / "notes")
    assert len(batches) == STEPS
    check(Adapter(), run.events(f"{run.name}-2"), batches)
    rows = run.client.posteriors(f"{run.name}-2")
    assert sum(row.trials or 0 for row in rows) == STEPS * BATCH * ROLLOUTS


def test_it_goes_on_while_the_service_is_away(verl: Framework, tmp_path: Path):
    with Service(tmp_path / "service") as service:
        run = Run(verl, "verl_ray_training", service.url, tmp_path / "away")
        run.configure(*SAMPLER, f"+data.selector.unsent_reports={run.folder / 'unsent'}")
        away, back = run.stop_at(4), run.stop_at(7)
        with run.start() as training:
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
    run.configure(*SAMPLER, tasks=[*TASKS, "tsk-1"])
    message = "lacks 1 of the data set's 41 tasks, such as 'tsk-1'"
    with run.start() as training, pytest.raises(AssertionError, match=message):
        training.end()
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
