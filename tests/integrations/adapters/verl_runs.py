"""A training by verl in a run of its own: its files, its settings, and what the service knows of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.integrations.conformance import Batch, noted
from tests.integrations.frameworks import Framework, Training
from tests.service import Service
from tests.services.tiny import save_tiny_model
from trainer_client import SelectorClient, Task

TASKS = [f"task-{number}" for number in range(40)]
EVALUATED = [f"eval-{number}" for number in range(5)]
STEPS, BATCH, ROLLOUTS = 12, 6, 4
SECONDS = 600.0


class Run:
    """A run, and the folder of the training in it; the folder's name is the run's."""

    def __init__(self, framework: Framework, script: str, url: str, folder: Path):
        folder.mkdir(exist_ok=True)
        self.framework, self.script, self.folder, self.name, self.url = (
            framework,
            script,
            folder,
            folder.name,
            url,
        )
        self.client = SelectorClient(url, self.name)
        self.client.create_pool(self.name)
        self.client.add_tasks(self.name, [Task(id=task) for task in TASKS])
        self.client.create_run(self.name, self.name)

    def configure(self, *settings: str, tasks: Sequence[str] = TASKS) -> None:
        for name, ids in (("train", tasks), ("val", EVALUATED)):
            lines = "".join(json.dumps(row(task)) + "\n" for task in ids)
            (self.folder / f"{name}.jsonl").write_text(lines)
        overrides = [
            f"data.train_files={self.folder / 'train.jsonl'}",
            f"data.val_files={self.folder / 'val.jsonl'}",
            f"data.train_batch_size={BATCH}",
            "data.dataloader_num_workers=0",
            f"+data.selector.run={self.name}",
            f"+data.selector.url={self.url}",
            f"actor_rollout_ref.model.path={save_tiny_model(self.folder / 'model')}",
            "actor_rollout_ref.rollout.name=hf",
            f"actor_rollout_ref.rollout.n={ROLLOUTS}",
            f"actor_rollout_ref.actor.ppo_mini_batch_size={BATCH}",
            "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=1",
            "algorithm.adv_estimator=grpo",
            "trainer.device=cpu",
            "trainer.n_gpus_per_node=1",
            "trainer.total_epochs=3",
            f"trainer.total_training_steps={STEPS}",
            "trainer.save_freq=1",
            "trainer.test_freq=4",
            f"trainer.default_local_dir={self.folder / 'checkpoints'}",
            "trainer.logger=[console]",
            *settings,
        ]
        (self.folder / "overrides.json").write_text(json.dumps(overrides))

    def train(self) -> str:
        """Train to the end; what the training printed."""
        with self.start() as training:
            training.end(SECONDS)
            return training.log()

    def train_and_kill(self, where: int | str) -> None:
        """Train until there, and die."""
        stop = self.stop_at(where)
        with self.start() as training:
            self.wait_for(where, training)
            training.kill()
        stop.unlink()

    def start(self) -> Training:
        environment = {"HF_HOME": str(self.folder / "cache")}
        return self.framework.start(
            self.script, self.folder, log=self.folder / "log", environment=environment
        )

    def go_on_while_away(self, service: Service) -> None:
        """Train to the end; the service is away from step 4 to step 7."""
        away, back = self.stop_at(4), self.stop_at(7)
        with self.start() as training:
            self.wait_for(4, training)
            service.kill()
            away.unlink()
            self.wait_for(7, training)
            service.start()
            back.unlink()
            training.end(SECONDS)

    def stop_at(self, where: int | str) -> Path:
        """The training waits there until this file is gone."""
        file = self.folder / f"stop-{where}"
        file.touch()
        return file

    def wait_for(self, where: int | str, training: Training) -> None:
        """Until the training waits there."""
        deadline = time.monotonic() + SECONDS
        while not (self.folder / f"reached-{where}").exists():
            assert training.runs, training.log()[-10_000:]
            assert time.monotonic() < deadline, training.log()[-10_000:]
            time.sleep(0.05)

    def events(self, run: str | None = None) -> list[dict[str, Any]]:
        return list(self.client.events(run))

    def rolled_out(self, name: str = "notes") -> list[Batch]:
        """The batches of the training, or those of its evaluations."""
        return noted(self.folder / name)


def row(task: str) -> dict[str, Any]:
    """A row of a data set as verl reads it."""
    return {
        "prompt": [{"role": "user", "content": "a"}],
        "data_source": "coins",
        "reward_model": {"style": "rule", "ground_truth": "b"},
        "extra_info": {"index": task},
    }
