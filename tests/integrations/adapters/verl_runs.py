"""A training by verl in a run of its own: its files, its settings, and what the service knows of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.integrations import runs
from tests.integrations.trainings import BATCH, EVALUATED, ROLLOUTS, STEPS, TASKS
from tests.services.tiny import save_tiny_model


class Run(runs.Run):
    """A run, and the folder of a training by verl in it."""

    seconds_to_reach = seconds_to_end = 600.0

    @property
    def environment(self) -> dict[str, str]:
        """A cache of its own."""
        return {"HF_HOME": str(self.folder / "cache")}

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


def row(task: str) -> dict[str, Any]:
    """A row of a data set as verl reads it."""
    return {
        "prompt": [{"role": "user", "content": "a"}],
        "data_source": "coins",
        "reward_model": {"style": "rule", "ground_truth": "b"},
        "extra_info": {"index": task},
    }
