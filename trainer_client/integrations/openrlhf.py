"""RL by OpenRLHF on tasks that the selector chooses: `select_tasks` before its command runs.

select_tasks("my-run", url="http://selector:8000")
runpy.run_module("openrlhf.cli.train_ppo_ray", run_name="__main__")
"""

# pyright: standard, reportMissingImports=false

from typing import Any

import ray
from openrlhf.datasets.utils import blending_datasets
from openrlhf.trainer import ppo_trainer, ppo_trainer_async
from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator

from trainer_client.data_sets import DataSetMismatch, task_ids
from trainer_client.feed import TaskFeed
from trainer_client.groups import Reward
from trainer_client.loading import SelectedLoader


def select_tasks(run: str | None = None, **options: Any) -> None:
    """Let OpenRLHF's trainers, with or without `train.async_enable`, draw by a `TaskFeed` of these arguments."""
    given = {"run": run, "look_ahead": None, **options}
    ppo_trainer.PPOTrainer = _selecting(ppo_trainer.PPOTrainer, given)
    ppo_trainer_async.GenerateSamplesActor = _selecting(ppo_trainer_async.GenerateSamplesActor, given)


def _selecting(actor: Any, options: dict[str, Any]) -> Any:
    class Selecting(actor.__ray_metadata__.modified_class):
        def __init__(self, *parts: Any, **others: Any):
            super().__init__(*parts, **others)
            self.samples_generator = SelectedSamples(self.samples_generator, options)
            self.prompts_dataloader = self.samples_generator.prompts_dataloader

        def train_step(self, *given: Any) -> tuple[dict[str, Any], int]:
            status, step = super().train_step(*given)
            return {**status, **self.samples_generator.feed.logged}, step

    return ray.remote(Selecting)


class SelectedSamples(SamplesGenerator):
    """OpenRLHF's rollouts, of selected tasks, reported before dynamic filtering. Evaluations pass through."""

    def __init__(self, made: SamplesGenerator, options: dict[str, Any]):
        args, data, data_set = made.args, made.args.data, made.prompts_dataloader.dataset
        if not (args.reward.remote_url or args.train.agent_func_path):
            raise ValueError(
                "reward.remote_url: none; a reward model of the training scores too late to be told"
            )
        blend = (data.prompt_dataset, data.prompt_probs, made.strategy, args.train.seed, data.max_samples)
        rows = blending_datasets(*blend, dataset_split=data.prompt_split).select(range(len(data_set)))
        tasks = task_ids(row.get("task") for row in rows)
        self._tasks = dict(zip(data_set.prompts, tasks, strict=True))
        if len(self._tasks) < len(tasks):
            raise DataSetMismatch(
                "two rows have the same prompt, and OpenRLHF tells rollouts by their prompts"
            )
        size = args.rollout.vllm_generate_batch_size
        self.feed = TaskFeed(batch_size=size, tasks=tasks, **options)
        self.feed.open()
        whole = len(tasks) // size * size  # batches, as one by one as OpenRLHF asks for them
        loader = SelectedLoader(data_set, tasks, self.feed, whole, one_by_one=True, ends_epochs=True)
        super().__init__(made.strategy, loader, made.eval_dataloader, made.tokenizer, made.vllm_engines)

    def _generate_vllm(self, dataloader_iter: Any, **given: Any) -> Any:
        self._seen: list[tuple[str, list[Reward]]] = []
        generated = super()._generate_vllm(dataloader_iter, **given)
        if dataloader_iter is not getattr(self, "_eval_dataloader_iter", None):
            self.feed.report_groups((self._tasks[prompt], rewards) for prompt, rewards in self._seen)
        return generated

    def _process_response_into_experience(self, response: dict[str, Any], **given: Any) -> Any:
        whole = self.args.rollout.n_samples_per_prompt  # OpenRLHF goes through the groups one by one
        prompt = response["prompt"]
        if not self._seen or self._seen[-1][0] != prompt or len(self._seen[-1][1]) == whole:
            self._seen.append((prompt, []))
        self._seen[-1][1].append(response["reward"])
        return super()._process_response_into_experience(response, **given)
