"""OpenRLHF 0.11.2 trains on selected tasks, by its own command: see `openrlhf_training` for what is not its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integrations.conformance import Adapter, check, check_groups, check_order
from tests.integrations.frameworks import Framework
from tests.integrations.runs import StoodIn
from tests.integrations.trainings import BATCH, EVALUATED, STEPS, TASKS
from tests.service import Service
from tests.services.tiny import save_tiny_model


class Run(StoodIn):
    """A run, and the folder of a training by OpenRLHF in it."""

    def configure(self, **settings: Any) -> None:
        model = str(save_tiny_model(self.folder / "model"))
        super().configure(**{"model": model, "drops": False, **settings})

    @property
    def environment(self) -> dict[str, str]:
        """A cache of its own."""
        return {"HF_HOME": str(self.folder / "cache")}


@pytest.fixture(scope="module")
def openrlhf() -> Framework:
    return Framework("openrlhf", "test-openrlhf")


@pytest.fixture
def run(openrlhf: Framework, service_url: str, tmp_path: Path) -> Iterator[Run]:
    made = Run(openrlhf, "openrlhf_training", service_url, tmp_path)
    yield made
    made.client.close()


def test_each_batch_is_selected_after_the_one_before_is_reported_and_a_kill_changes_nothing(run: Run):
    """In two episodes, with evaluations."""
    run.train_and_kill(7)
    log = run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    check(Adapter(), run.events(), batches)
    assert {task for batch in run.rolled_out("evaluations") for task in batch} == set(EVALUATED)
    assert "selector/etr" in log


def test_from_an_older_checkpoint_it_goes_on_in_a_fork(run: Run):
    run.configure(save_steps=4)
    run.train_and_kill(5)
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    check(Adapter(), run.events(f"{run.name}-2"), batches)


def test_what_dynamic_filtering_drops_is_reported(run: Run):
    """What it draws in its place is of the next selection."""
    run.configure(flags=["algo.dynamic_filtering_enable"])
    run.train()
    run.end_open()
    events, batches = run.events(), run.rolled_out()
    check_groups(events, batches)
    check_order(Adapter(look_ahead=3), events)


def test_two_groups_of_a_task_in_a_rollout_count_each(openrlhf: Framework, service_url: str, tmp_path: Path):
    """They are of two selections, where these share leased tasks: the filter has a rollout draw from several."""
    run = Run(openrlhf, "openrlhf_training", service_url, tmp_path, share_leased=True)
    run.configure(flags=["algo.dynamic_filtering_enable"], tasks=TASKS[: 2 * BATCH])
    run.train()
    run.end_open()
    first, second = [set(event["tasks"]) for event in run.events() if event["type"] == "selected"][:2]
    assert first & second
    check_groups(run.events(), run.rolled_out())
    run.client.close()


def test_it_goes_on_while_the_service_is_away(openrlhf: Framework, tmp_path: Path):
    with Service(tmp_path / "service") as service:
        run = Run(openrlhf, "openrlhf_training", service.url, tmp_path / "away")
        run.go_on_while_away(service)
        assert len(run.rolled_out()) == STEPS
        check_groups(run.events(), run.rolled_out())
        run.client.close()


def test_wrong_ids_are_said_at_the_start(run: Run):
    run.configure(tasks=[*TASKS, "tsk-1"])
    with pytest.raises(AssertionError, match="lacks 1 of the data set's 41 tasks, such as 'tsk-1'"):
        run.train()
    assert not (run.folder / "notes").exists()
