"""A training by a stand-in of SkyRL's trainer, after 0.4.0: its loop, evaluations and checkpoints.

Its argument is a folder with `settings.json`. What is rolled out is written to `notes`, by the number of its batch.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from tests.integrations.conformance import note, rewards_of
from tests.integrations.trainings import BATCH, EVALUATED, ROLLOUTS, STEPS, roll_out, settings

JOB = str(os.getpid())
EPOCHS = 2


class PromptDataset:
    """In the place of `skyrl.train.dataset.PromptDataset`."""

    def __init__(self, tasks: list[str]):
        self.dataframe = [{"task": task, "prompt": "?"} for task in tasks]

    def __len__(self) -> int:
        return len(self.dataframe)

    def __getitem__(self, row: int) -> Any:
        return "?", None, {}, str(row)

    def collate_fn(self, rows: list[Any]) -> list[dict[str, Any]]:
        return [{"prompt": prompt, "uid": uid} for prompt, _, _, uid in rows]


class Generator:
    """In the place of generation: the rewards of tokens, and of one trajectory each."""

    def __init__(self, folder: Path, tasks: list[str]):
        self._folder, self._tasks, self.batches = folder, tasks, 0

    async def generate(self, given: dict[str, Any]) -> dict[str, Any]:
        rewards: dict[str, list[float]] = {}
        for row in given["trajectory_ids"]:
            task = self._task(row)
            if task not in rewards:
                made = roll_out(self._folder, self.batches, task, note_as=JOB)
                assert made is not None
                rewards[task] = made
        totals = [rewards[self._task(row)][row.repetition_id] for row in given["trajectory_ids"]]
        return {"rewards": [[0.0, total] for total in totals], "trajectory_ids": None, "is_last_step": None}

    def _task(self, row: Any) -> str:
        return self._tasks[int(row.instance_id.partition("-")[0])]


class RayPPOTrainer:
    """In the place of `skyrl.train.trainer`'s."""

    def __init__(self, *, cfg: Any, train_dataset: Any, generator: Any, folder: Path):
        self.cfg, self.train_dataset, self.generator, self._folder = cfg, train_dataset, generator, folder
        self.all_metrics: dict[str, Any] = {}
        self.train_dataloader: Any = None
        self._build_train_dataloader_and_compute_training_steps()

    def _build_train_dataloader_and_compute_training_steps(self) -> None:
        self.train_dataloader = range(STEPS // EPOCHS)

    async def generate(self, input_batch: dict[str, Any]) -> dict[str, Any]:
        return await self.generator.generate(input_batch)

    def _rows(self, prompts: list[dict[str, Any]]) -> Iterator[Any]:
        for prompt in prompts:
            for repetition in range(ROLLOUTS):
                yield SimpleNamespace(instance_id=prompt["uid"], repetition_id=repetition)

    async def train(self) -> None:
        checkpoint = self._folder / "data.json"
        step = 0
        if checkpoint.exists():
            step, state = json.loads(checkpoint.read_text())
            self.train_dataloader.load_state_dict(state)
        self.generator.batches = step
        for _ in range(step // len(self.train_dataloader), EPOCHS):
            for prompts in self.train_dataloader:
                await self.generate({"trajectory_ids": list(self._rows(prompts))})
                assert self.all_metrics["selector/report_ms"] > 0
                step = self.generator.batches = step + 1
                for task in EVALUATED if step % 4 == 0 else []:
                    note(self._folder / "evaluations", 0, {task: rewards_of(task, ROLLOUTS)})
                checkpoint.write_text(json.dumps([step, self.train_dataloader.state_dict()]))


def main(folder: Path) -> None:
    module: Any = ModuleType("skyrl.train.trainer")
    module.RayPPOTrainer = RayPPOTrainer
    sys.modules[module.__name__] = module
    from trainer_client.integrations.skyrl import SelectedTrainer

    given = settings(folder)
    cfg = SimpleNamespace(
        trainer=SimpleNamespace(train_batch_size=BATCH),
        generator=SimpleNamespace(step_wise_trajectories=False),
    )
    trainer = SelectedTrainer(
        run=given["run"],
        selector={"url": given["url"], "max_retries": 1, "unsent_reports": folder / "unsent"},
        cfg=cfg,
        train_dataset=PromptDataset(given["tasks"]),
        generator=Generator(folder, given["tasks"]),
        folder=folder,
    )
    asyncio.run(trainer.train())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
