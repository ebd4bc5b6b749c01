"""verl 0.9's own replay buffer with its filter of groups, for four steps; its queue and rollouts are stood in for.

Its argument is a folder with `settings.json`. What is rolled out is written to `notes`, by the number of its batch.
"""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transfer_queue
from omegaconf import OmegaConf

from tests.integrations.conformance import note, rewards_of
from tests.integrations.trainings import BATCH, ROLLOUTS, settings
from trainer_client.integrations.verl_replay_buffer import ServiceReplayBuffer
from trainer_client.integrations.verl_rows import SelectedRows

STEPS = 4


class Queue:
    """In the place of TransferQueue: what is kept by key."""

    def __init__(self):
        self.tags: dict[str, dict[str, Any]] = {}
        self.rewards: dict[str, tuple[str, float]] = {}

    def kv_list(self) -> dict[str, Any]:
        return {"train": dict(self.tags)}

    def kv_clear(self, *, keys: Sequence[str], partition_id: str) -> None:
        for key in keys:
            self.tags.pop(key, None)

    def kv_batch_get(self, keys: Sequence[str], *, partition_id: str, select_fields: list[str]) -> Any:
        kept = [self.rewards[key] for key in keys]
        scores = torch.tensor([[0.0, reward] for _, reward in kept])
        return {"extra_info": [{"index": task} for task, _ in kept], "rm_scores": scores}


class Trainer:
    """In the place of verl's: draws and rolls out, at once, as often as its replay buffer asks."""

    def __init__(self, folder: Path, queue: Queue):
        given = settings(folder)
        package = "pkg://trainer_client.integrations.verl_dataset"
        data = {
            "custom_cls": {"path": package, "name": "ServiceDataset"},
            "dataloader_num_workers": 0,
            "selector": {"url": given["url"], "run": given["run"]},
            "train_batch_size": BATCH,
        }
        self.config = OmegaConf.create(
            {
                "algorithm": {"filter_groups": {"enable": True, "metric": "reward"}},
                "data": data,
                "reward": {"reward_model": {"enable": False}},
                "trainer": {"v1": {"trainer_mode": "sync"}},
            }
        )
        rows = SimpleNamespace(dataframe={"extra_info": [{"index": task} for task in given["tasks"]]})
        self.train_dataset = SimpleNamespace(selected=SelectedRows(rows, self.config.data, BATCH))
        self._folder, self._queue, self._tasks = folder, queue, given["tasks"]
        self._numbers = count()

    def _resolve_filter_groups_metric(self) -> str:
        return self.config.algorithm.filter_groups.metric

    def add(self, prompts: int) -> int:
        for _ in range(prompts):
            task, number = self._tasks[self.train_dataset.selected.next()], next(self._numbers)
            rewards = rewards_of(task, ROLLOUTS)
            note(self._folder / "notes", number // BATCH, {task: rewards})
            self._queue.tags[f"u{number}"] = {"is_prompt": True, "status": "finished", "global_steps": 1}
            for rollout, reward in enumerate(rewards or []):
                key = f"u{number}_{rollout}_0"
                self._queue.tags[key], self._queue.rewards[key] = {}, (task, reward)
        return prompts


def main(folder: Path) -> None:
    queue = Queue()
    for name in ("kv_list", "kv_clear", "kv_batch_get"):
        setattr(transfer_queue, name, getattr(queue, name))
    trainer = Trainer(folder, queue)
    buffer = ServiceReplayBuffer(
        trainer_mode="sync",
        trainer_config={},
        max_off_policy_threshold=None,
        max_off_policy_strategy="drop",
        sampler_kwargs={},
        poll_interval=0.0,
        refill_fn=trainer.add,
    )
    evicted = 0
    for step in range(1, STEPS + 1):
        trainer.add(BATCH)
        batch, metrics = buffer.sample(step, "train", BATCH)
        assert len(batch.keys) == BATCH * ROLLOUTS
        assert metrics["selector/report_ms"] > 0
        evicted += metrics.get("training/filter_groups/evicted_samples", 0)
    assert evicted > 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
