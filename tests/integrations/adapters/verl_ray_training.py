"""A training by verl's `RayPPOTrainer`, 0.7 and 0.8: its loop, data and checkpoints; no model and no weights."""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import os
import sys
from collections import Counter
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from verl import DataProto
from verl.trainer.main_ppo import create_rl_dataset, create_rl_sampler
from verl.trainer.ppo.ray_trainer import RayPPOTrainer, ResourcePoolManager, Role
from verl.utils import hf_tokenizer
from verl.utils.dataset.rl_dataset import collate_fn

from tests.integrations.adapters.verl_rollouts import config_of, rolled_out, wait_if_asked
from tests.integrations.trainings import BATCH


class Rollouts:
    """In the place of the agent loops."""

    def __init__(self, folder: Path):
        self._folder = folder

    def generate_sequences(self, prompts: DataProto) -> DataProto:
        step, evaluates = prompts.meta_info["global_steps"], prompts.meta_info.get("validate", False)
        tasks = [info["index"] for info in prompts.non_tensor_batch["extra_info"]]
        groups = Counter(zip(prompts.non_tensor_batch["uid"], tasks, strict=True))
        drawn = (step - 1) * len(groups)
        rewards = [
            rolled_out(self._folder, task, count, 1 + number // BATCH, evaluates=evaluates)
            for number, ((_, task), count) in enumerate(groups.items(), drawn)
        ]
        if not evaluates:
            wait_if_asked(self._folder, step)
        rows, ones = len(tasks), torch.ones(len(tasks), 2, dtype=torch.int64)
        scores = torch.zeros(rows, 2)
        scores[:, 1] = torch.tensor(list(chain.from_iterable(rewards)))
        tensors = {
            "prompts": ones,
            "responses": ones,
            "response_mask": ones,
            "input_ids": torch.ones(rows, 4, dtype=torch.int64),
            "attention_mask": torch.ones(rows, 4, dtype=torch.int64),
            "position_ids": torch.arange(4).expand(rows, 4),
            "rm_scores": scores,
        }
        others = {"multi_modal_inputs": np.array([{} for _ in tasks], dtype=object)}
        return DataProto.from_dict(tensors, others, meta_info={"timing": {}})


class Weights:
    """In the place of the workers: an update changes nothing."""

    _dispatch_info = {"actor": [0]}  # noqa: RUF012

    def save_checkpoint(self, path: str, *_: Any, **__: Any) -> None:
        Path(path).mkdir(parents=True)

    def load_checkpoint(self, path: str, **_: Any) -> None:
        assert Path(path).exists()


class Trainer(RayPPOTrainer):
    def __init__(self, folder: Path, **parts: Any):
        super().__init__(**parts)
        self._folder = folder

    def init_workers(self) -> None:
        self.actor_rollout_wg = Weights()
        self.async_rollout_manager = Rollouts(self._folder)
        self.checkpoint_manager = SimpleNamespace(
            sleep_replicas=lambda: None,
            update_weights=lambda step: wait_if_asked(self._folder, f"saved-{step}"),
        )

    def _compute_old_log_prob(self, batch: DataProto) -> tuple[DataProto, float]:
        zeros = torch.zeros_like(batch.batch["responses"], dtype=torch.float32)
        return DataProto.from_dict({"old_log_probs": zeros, "entropys": zeros}), 0.0

    def _update_actor(self, batch: DataProto) -> DataProto:
        return DataProto(meta_info={"metrics": {}})


def main(folder: Path) -> None:
    """As `TaskRunner.run` does it."""
    os.environ["JOB"] = str(os.getpid())
    config = config_of(folder)
    tokenizer = hf_tokenizer(config.actor_rollout_ref.model.path)
    train, val = (
        create_rl_dataset(files, config.data, tokenizer, None, is_train=is_train)
        for files, is_train in ((config.data.train_files, True), (config.data.val_files, False))
    )
    trainer = Trainer(
        folder,
        config=config,
        tokenizer=tokenizer,
        role_worker_mapping={Role.ActorRollout: None},
        resource_pool_manager=ResourcePoolManager({"pool": [1]}, {Role.ActorRollout: "pool"}),
        train_dataset=train,
        val_dataset=val,
        collate_fn=collate_fn,
        train_sampler=create_rl_sampler(config.data, train),
    )
    trainer.init_workers()
    trainer.fit()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
