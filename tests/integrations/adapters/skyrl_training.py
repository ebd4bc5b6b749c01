"""A training by SkyRL's experiment in one process: no GPUs, no vLLM, no Ray, no model and no weights.

Configuration, data sets, trainer and its loop, dynamic sampling, evaluation, advantages and checkpoints are its
own. Stood in for are the generator, which says nothing and gives rewards, and the workers with the weights, which
are the first to import flash-attn, with the dispatcher to them. Its argument is a folder with `settings.json`. What
is rolled out is written to `notes`, by the number of its selection.
"""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import json
import os
import sys
import sysconfig
import typing
from itertools import groupby
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import ray
import typing_extensions

from tests.integrations.conformance import note, rewards_of
from tests.integrations.trainings import BATCH, EVALUATED, ROLLOUTS, roll_out, settings

JOB = str(os.getpid())
EPOCHS = 2


def stand_in() -> None:
    """Before anything of SkyRL is imported."""
    typing.TypedDict = typing_extensions.TypedDict  # type: ignore[assignment]  # pydantic wants it before Python 3.12
    sys.path.append(f"{sysconfig.get_path('purelib')}/skyrl-gym")  # where SkyRL's wheel has its environments
    workers: Any = ModuleType("skyrl.backends.skyrl_train.workers.fsdp.fsdp_worker")
    workers.PolicyWorker = workers.CriticWorker = workers.RefWorker = None
    sys.modules[workers.__name__] = workers
    ray.get = lambda reference, **_: reference  # of clean-ups on no nodes


class Weights:
    """In the place of the dispatcher to the workers: an update changes nothing, a checkpoint holds nothing."""

    def get_lcm_dp_size(self) -> int:
        return 1

    def get_node_ids(self) -> list[str]:
        return []

    def get_timing_metrics(self) -> dict[str, float]:
        return {}

    async def save_weights_for_sampler(self) -> None:
        """Nothing is sent."""

    def stage_data(self, _: str, data: Any, boundaries: list[tuple[int, int]]) -> list[Any]:
        return [data[first:end] for first, end in boundaries]

    def forward_from_staged(self, _: str, data: Any) -> Any:
        length = data.metadata["response_length"]
        return SimpleNamespace(loss_fn_outputs=[{"logprobs": [0.0] * length} for _ in range(data.batch_size)])

    def forward_backward_from_staged(self, *_: Any) -> Any:
        return SimpleNamespace(metrics={})

    def save_checkpoint(self, _: str, folder: str, *__: Any) -> None:
        Path(folder).mkdir(parents=True)

    def nothing(self, *_: Any, **__: Any) -> None:
        """For what has no outcome."""

    init_weight_sync_state = optim_step = empty_cache = load_checkpoint = finalize_pending_saves = nothing


class Rollouts:
    """In the place of generation, of one turn or of two."""

    def __init__(self, folder: Path, *, steps: int, by_token: bool):
        self._folder, self._steps, self._by_token = folder, steps, by_token
        self.trainer: Any = None

    async def generate(self, given: Any) -> Any:
        rows: list[dict[str, Any]] = []
        places = zip(given["trajectory_ids"], given["env_extras"], strict=True)
        for task, group in groupby(places, key=lambda place: place[1]["task"]):
            rewards = self._roll_out(task, given["batch_metadata"].training_phase == "train")
            for (trajectory, _), reward in zip(group, rewards, strict=True):
                for step in range(self._steps):
                    last = step == self._steps - 1
                    won = reward if last else 0.5
                    rows.append(
                        {
                            "prompt_token_ids": [2] * (step + 1),
                            "response_ids": [3, 4],
                            "rewards": [0.0, won] if self._by_token else won,
                            "loss_masks": [1, 1],
                            "stop_reasons": "stop",
                            "trajectory_ids": trajectory,
                            "is_last_step": last,
                        }
                    )
        made: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
        if self._steps == 1:
            made |= {"trajectory_ids": None, "is_last_step": None}
        return made | {"rollout_metrics": None, "rollout_logprobs": None}

    def _roll_out(self, task: str, trains: bool) -> list[float]:
        if not trains:
            rewards = rewards_of(task, ROLLOUTS)
            note(self._folder / "evaluations", 0, {task: rewards})
        else:
            rewards = roll_out(self._folder, self.trainer._feed.state()["drawn"] - 1, task, note_as=JOB)
        assert rewards is not None
        return rewards


def configuration(folder: Path, given: dict[str, Any]) -> Any:
    """SkyRL's, from its command line."""
    from skyrl.train.config import SkyRLTrainConfig

    for name, tasks in (("train", given["tasks"]), ("eval", EVALUATED)):
        rows = [{"prompt": [{"role": "user", "content": "a"}], "task": task} for task in tasks]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    chosen = {
        "data.dataloader.num_workers": 0,
        "data.train_data": [f"{folder}/train.jsonl"],
        "data.val_data": [f"{folder}/eval.jsonl"],
        "generator.eval_n_samples_per_prompt": ROLLOUTS,
        "generator.inference_engine.enable_ray_prometheus_stats": False,
        "generator.n_samples_per_prompt": ROLLOUTS,
        "trainer.ckpt_interval": 1,
        "trainer.ckpt_path": f"{folder}/checkpoints",
        "trainer.critic_mini_batch_size": BATCH,
        "trainer.enable_ray_gpu_monitor": False,
        "trainer.epochs": EPOCHS,
        "trainer.eval_before_train": False,
        "trainer.eval_interval": 4,
        "trainer.export_path": f"{folder}/exports",
        "trainer.logger": "console",
        "trainer.placement.colocate_all": False,
        "trainer.policy.model.path": given["model"],
        "trainer.policy_mini_batch_size": BATCH,
        "trainer.train_batch_size": BATCH,
    }
    return SkyRLTrainConfig.from_cli_overrides(chosen | given.get("chosen", {}))


def main(folder: Path) -> None:
    stand_in()
    given = settings(folder)
    from skyrl.train.dataset import PromptDataset
    from skyrl.train.entrypoints.main_base import BasePPOExp

    from trainer_client.integrations.skyrl import SelectedTrainer

    class Trainer(SelectedTrainer):
        def build_models(self, *_: Any) -> None:
            self.dispatch = Weights()

    class Experiment(BasePPOExp):
        def get_trainer(self, **parts: Any) -> Any:
            selector = {"url": given["url"], "max_retries": 1, "unsent_reports": folder / "unsent"}
            trainer = Trainer(**parts, run=given["run"], selector=selector)
            parts["generator"].trainer = trainer
            return trainer

        def get_train_dataset(self) -> Any:
            return PromptDataset(self.cfg.data.train_data, self.tokenizer, 512, num_workers=1)

        def get_eval_dataset(self) -> Any:
            return PromptDataset(self.cfg.data.val_data, self.tokenizer, 512, num_workers=1)

        def get_inference_client(self) -> Any:
            return None

        def get_generator(self, cfg: Any, *_: Any) -> Any:
            steps = 2 if cfg.generator.step_wise_trajectories else 1
            return Rollouts(folder, steps=steps, by_token=given.get("by_token", True))

    Experiment(configuration(folder, given)).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
