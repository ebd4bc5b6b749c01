"""SkyRL trains on selected tasks: 0.4.0 by its own trainer, and a stand-in of its loop where that is not installed.

See `skyrl_training` for what is not SkyRL's own there, and `skyrl_stand_in`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integrations.conformance import Adapter, check, check_groups, rewards_of
from tests.integrations.frameworks import Framework
from tests.integrations.runs import StandIn, StoodIn
from tests.integrations.trainings import BATCH, EVALUATED, ROLLOUTS, STEPS, TASKS
from tests.service import Service
from tests.services.tiny import save_tiny_model

INFORMATIVE = [task for task in TASKS if len(set(rewards_of(task, ROLLOUTS) or [])) > 1]
SAMPLED = INFORMATIVE + [task for task in TASKS if task not in INFORMATIVE][:3]
"""Of these each batch has a group with variance: at one without, SkyRL's dynamic sampling ends the training."""

DYNAMIC: dict[str, Any] = {
    "tasks": SAMPLED,
    "chosen": {
        "trainer.algorithm.dynamic_sampling.type": "filter",
        "trainer.epochs": STEPS // (len(SAMPLED) // BATCH),
    },
}


class Run(StoodIn):
    """A run, and the folder of a training by SkyRL in it."""

    def configure(self, **settings: Any) -> None:
        model = str(save_tiny_model(self.folder / "model"))
        super().configure(**{"model": model, **settings})

    @property
    def environment(self) -> dict[str, str]:
        """A cache of its own."""
        return {"HF_HOME": str(self.folder / "cache")}


def stood_in(url: str, folder: Path) -> StoodIn:
    return StoodIn(StandIn(), "skyrl_stand_in", url, folder)


def real(url: str, folder: Path) -> StoodIn:
    return Run(Framework("skyrl", "test-skyrl"), "skyrl_training", url, folder)


Make = Callable[[str, Path], StoodIn]


@pytest.fixture(params=[stood_in, real], ids=["stand-in", "0.4.0"])
def make(request: pytest.FixtureRequest) -> Make:
    return request.param


@pytest.fixture
def run(make: Make, service_url: str, tmp_path: Path) -> Iterator[StoodIn]:
    made = make(service_url, tmp_path)
    yield made
    made.client.close()


@pytest.fixture
def real_run(service_url: str, tmp_path: Path) -> Iterator[StoodIn]:
    made = real(service_url, tmp_path)
    yield made
    made.client.close()


def test_it_is_killed_twice_and_goes_on_where_it_was(run: StoodIn):
    """In the middle of its first epoch, and at the beginning of the second; with evaluations."""
    for step in (3, 6):
        run.train_and_kill(step)
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    check(Adapter(), run.events(), batches)
    assert {task for batch in run.rolled_out("evaluations") for task in batch} == set(EVALUATED)


def test_it_goes_on_while_the_service_is_away(make: Make, tmp_path: Path):
    with Service(tmp_path / "service") as service:
        run = make(service.url, tmp_path / "away")
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


def test_from_an_older_checkpoint_it_goes_on_in_a_fork(real_run: StoodIn):
    run = real_run
    run.configure(chosen={"trainer.ckpt_interval": 4})
    run.train_and_kill(5)
    log = run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    check(Adapter(), run.events(f"{run.name}-2"), batches)
    rows = run.client.posteriors(f"{run.name}-2")
    assert sum(row.trials or 0 for row in rows) == STEPS * BATCH * ROLLOUTS
    assert "selector/etr" in log


@pytest.mark.parametrize("by_token", [True, False])
def test_what_dynamic_sampling_drops_is_reported(real_run: StoodIn, by_token: bool):
    """Its steps take several batches, each reported before the next is drawn; a task may be in two of them."""
    run = real_run
    run.configure(by_token=by_token, **DYNAMIC)
    log = run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    assert "Dynamic sampling: " in log
    check(Adapter(), run.events(), batches)


def test_killed_between_two_batches_of_a_step_it_goes_on_in_a_fork(real_run: StoodIn):
    """Or in its run, if the step had just begun."""
    run = real_run
    run.configure(**DYNAMIC)
    run.train_and_kill(4)
    log = run.train()
    newest = f"{run.name}-2" if f"{run.name}-2" in log else run.name
    check(Adapter(), run.events(newest), run.rolled_out())


def test_of_a_trajectory_of_two_steps_the_reward_of_the_last_is_reported(real_run: StoodIn):
    run = real_run
    run.configure(chosen={"generator.step_wise_trajectories": True})
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    check(Adapter(), run.events(), batches)
