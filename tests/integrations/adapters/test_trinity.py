"""Trinity-RFT 0.6.0 trains on selected tasks, by its own launcher, explorer, pipeline and trainer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integrations import runs
from tests.integrations.conformance import Adapter, check, check_groups
from tests.integrations.frameworks import Framework
from tests.integrations.trainings import BATCH, EVALUATED, ROLLOUTS, STEPS, TASKS
from tests.service import Service

REWARDS = {"name": "trainer_client.integrations.trinity.GroupRewards"}
FILTER = {"name": "reward_std_filter"}


@pytest.fixture(scope="module")
def trinity() -> Framework:
    return Framework("trinity")


class Run(runs.Run):
    """A run, and the folder of a training by Trinity-RFT in it."""

    seconds_to_reach = 540.0

    def configure(
        self,
        *,
        tasks: Sequence[str] = TASKS,
        operators: Sequence[Mapping[str, Any]] = (REWARDS,),
        synchronizer: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        for name, ids in (("train", tasks), ("eval", EVALUATED)):
            rows = "".join(json.dumps({"id": task, "prompt": "?", "answer": "!"}) + "\n" for task in ids)
            (self.folder / name).mkdir()
            (self.folder / name / "train.jsonl").write_text(rows)
        selector = {"url": self.url, "run": self.name, "column": "id", "max_retries": 1}
        rows = {"storage_type": "file", "split": "train", "format": {"prompt_key": "prompt"}}
        selected = {
            "selector_type": "trainer_client.integrations.trinity.ServiceSelector",
            "kwargs": selector | kwargs,
        }
        config = {
            "project": "test",
            "name": "training",
            "checkpoint_root_dir": str(self.folder / "checkpoints"),
            "ignore_validator_suggestions": True,
            "data_processor": {"experience_pipeline": {"operators": list(operators)}},
            "algorithm": {"algorithm_type": "grpo", "repeat_times": ROLLOUTS},
            "model": {"model_path": "none", "max_prompt_tokens": 8, "max_response_tokens": 8},
            "cluster": {"node_num": 1, "gpu_per_node": 2},
            "buffer": {
                "total_steps": STEPS,
                "batch_size": BATCH,
                "explorer_input": {
                    "taskset": {"name": "t", "path": str(self.folder / "train"), "data_selector": selected}
                    | rows,
                    "eval_tasksets": [{"name": "e", "path": str(self.folder / "eval")} | rows],
                    "default_workflow_type": "tests.integrations.adapters.trinity_training.CoinWorkflow",
                },
            },
            "explorer": {"eval_interval": 4, "runner_per_model": 1, "max_retry_times": 0},
            "synchronizer": {"sync_method": "memory", "sync_interval": 1, "sync_timeout": 120}
            | dict(synchronizer or {}),
            "trainer": {"trainer_type": "verl", "save_interval": 1},
            "monitor": {"monitor_type": "tensorboard"},
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture
def run(trinity: Framework, service_url: str, tmp_path: Path) -> Iterator[Run]:
    made = Run(trinity, "trinity_training", service_url, tmp_path)
    yield made
    made.client.close()


def test_each_batch_is_selected_after_the_one_before_is_reported(run: Run):
    """With failed rollouts, a filter of groups without variance, and evaluations."""
    run.configure(operators=[REWARDS, FILTER], synchronizer={"sync_style": "explorer_driven"})
    (run.folder / "drops").touch()
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    assert any(rewards is None for batch in batches for rewards in batch.values())
    check(Adapter(tells_drops=False), run.events(), batches)
    evaluated = {task for batch in run.rolled_out("evaluations") for task in batch}
    assert evaluated == set(EVALUATED)


def test_a_training_that_is_killed_goes_on_where_it_was(run: Run):
    run.configure()
    run.train_and_kill(7)
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    check(Adapter(), run.events(), batches)


def test_who_syncs_every_four_steps_reads_four_batches_ahead_and_goes_on_in_a_fork(run: Run):
    """It is killed when the run holds a batch that its checkpoint does not know."""
    run.configure(synchronizer={"sync_interval": 4})
    run.train_and_kill(6, also=lambda: run.client.run_status().step == 5)
    run.train()
    batches = run.rolled_out()
    assert len(batches) == STEPS
    check(Adapter(look_ahead=3), run.events(f"{run.name}-2"), batches)  # with what it took over from the run


def test_it_goes_on_while_the_service_is_away(trinity: Framework, tmp_path: Path):
    with Service(tmp_path / "service") as service:
        run = Run(trinity, "trinity_training", service.url, tmp_path / "away")
        run.configure(unsent_reports=str(run.folder / "unsent"))
        run.go_on_while_away(service)
        batches = run.rolled_out()
        assert len(batches) == STEPS
        check_groups(run.events(), batches)
        run.client.close()


def test_wrong_ids_are_said_at_the_start(run: Run):
    run.configure(tasks=[*TASKS, "tsk-1"])
    message = "lacks 1 of the data set's 41 tasks, such as 'tsk-1'"
    with pytest.raises(AssertionError, match=message):
        run.train()
    assert not (run.folder / "notes").exists()


def test_the_selector_and_the_operator_do_what_the_reader_asks(trinity: Framework, tmp_path: Path):
    with trinity.start("trinity_selector", log=tmp_path / "log") as script:
        script.end()
