"""tinker-cookbook 0.5.8 trains on selected tasks, by its own loop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.conformance import Adapter, check, check_groups
from tests.integrations.frameworks import Framework
from tests.integrations.runs import StoodIn, failed
from tests.integrations.trainings import BATCH, EVALUATED, ROLLOUTS, STEPS, TASKS
from tests.service import Service


@pytest.fixture(scope="module")
def tinker() -> Framework:
    return Framework("tinker")


@pytest.fixture
def run(tinker: Framework, service_url: str, tmp_path: Path) -> Iterator[StoodIn]:
    made = StoodIn(tinker, "tinker_training", service_url, tmp_path)
    yield made
    made.client.close()


def test_each_batch_is_selected_after_the_one_before_is_reported(run: StoodIn):
    """With groups that fail, a filter of groups without variance, and evaluations."""
    run.configure(drops=True)
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    assert failed(batches)
    check(Adapter(), run.events(), batches)
    evaluated = {task for batch in run.rolled_out("evaluations") for task in batch}
    assert evaluated == set(EVALUATED)
    metrics = [
        json.loads(line) for line in (run.folder / "log_path" / "metrics.jsonl").read_text().splitlines()
    ]
    assert {"env/all/selector/select_ms", "env/all/selector/etr"} <= metrics[-1].keys()


def test_a_training_that_is_killed_goes_on_where_it_was(run: StoodIn):
    run.train_and_kill(7)
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    check(Adapter(), run.events(), batches)


def test_from_an_older_checkpoint_it_goes_on_in_a_fork_and_stays_in_it(run: StoodIn):
    run.configure(save_every=3)
    for step in (5, 10):
        run.train_and_kill(step)
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    newest = f"{run.name}-3"
    rows = run.client.posteriors(newest)
    assert sum(row.trials or 0 for row in rows) == STEPS * BATCH * ROLLOUTS
    check(Adapter(), run.events(newest), batches)
    assert run.events(newest)[0]["parent"] == {"run": f"{run.name}-2", "step": 9}


def test_groups_that_are_rolled_out_in_other_processes_are_reported_from_there(run: StoodIn):
    run.configure(drops=True, processes=True)
    run.train()
    batches = run.rolled_out()
    assert failed(batches)
    check(Adapter(tells_drops=False), run.events(), batches)


def test_it_goes_on_while_the_service_is_away(tinker: Framework, tmp_path: Path):
    with Service(tmp_path / "service") as service:
        run = StoodIn(tinker, "tinker_training", service.url, tmp_path / "away")
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
