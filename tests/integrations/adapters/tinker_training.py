"""A training by tinker-cookbook's own loop; no service of Tinker's, no model and no weights.

Its argument is a folder with `settings.json`. What is rolled out is written to `notes`.
"""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import chz
import tinker
import torch
from tinker_cookbook.rl import train
from tinker_cookbook.rl.types import Env, EnvGroupBuilder, RLDataset, RLDatasetBuilder, StepResult

from tests.integrations.conformance import note, rewards_of
from tests.integrations.trainings import BATCH, EVALUATED, ROLLOUTS, STEPS, roll_out, settings
from trainer_client.integrations.tinker import SelectedDataset

JOB = str(os.getpid())


class Coin(Env):
    """A rollout whose reward is known before."""

    def __init__(self, reward: float):
        self._reward = reward

    async def initial_observation(self) -> Any:
        return tinker.ModelInput.from_ints([1, 2]), []

    async def step(self, action: list[int], *, extra: Any = None) -> StepResult:
        return StepResult(self._reward, True, tinker.ModelInput.empty(), [])


class Group(EnvGroupBuilder):
    """A task's rollouts; `step` is that of its batch, None in evaluations."""

    def __init__(self, folder: Path, task: str):
        self._folder, self._task, self._job = folder, task, JOB
        self.step: int | None = None

    async def make_envs(self) -> Sequence[Env]:
        if self.step is None:
            rewards = rewards_of(self._task, ROLLOUTS)
            note(self._folder / "evaluations", 0, {self._task: rewards})
        else:
            rewards = await asyncio.to_thread(roll_out, self._folder, self.step, self._task, self._job)
        if rewards is None:
            raise ValueError("this task cannot be scored")
        return [Coin(reward) for reward in rewards]


class Noted(SelectedDataset):
    """Its groups know their step."""

    def get_batch(self, index: int) -> list[EnvGroupBuilder]:
        for group in self._groups.values():
            group.step = index
        return super().get_batch(index)


class Evaluation(RLDataset):
    def __init__(self, folder: Path):
        self._groups = [Group(folder, task) for task in EVALUATED]

    def get_batch(self, index: int) -> Sequence[EnvGroupBuilder]:
        return self._groups

    def __len__(self) -> int:
        return 1


made: list[SelectedDataset] = []


@chz.chz
class Builder(RLDatasetBuilder):
    folder: str

    async def __call__(self) -> tuple[RLDataset, RLDataset | None]:
        folder = Path(self.folder)
        given = settings(folder)
        groups = {task: Group(folder, task) for task in given["tasks"]}
        made.append(
            Noted(
                groups,
                batch_size=BATCH,
                batches=STEPS,
                log_path=folder / "log_path",
                url=given["url"],
                run=given["run"],
                max_retries=1,
            )
        )
        return made[0], Evaluation(folder)


class Sampler:
    """In the place of Tinker's: says nothing. It can be sent to other processes."""

    async def sample_async(self, **_: Any) -> Any:
        sequence = SimpleNamespace(tokens=[3, 4], logprobs=[0.0, 0.0], stop_reason="stop")
        return SimpleNamespace(sequences=[sequence])


class Weights:
    """In the place of Tinker's training client: nothing is updated."""

    async def _done(self, *_: Any, **__: Any) -> Any:
        async def result() -> Any:
            return SimpleNamespace(path="tinker://test/weights", metrics={})

        return SimpleNamespace(result_async=result)

    save_state_async = save_weights_for_sampler_async = optim_step_async = _done

    async def forward_backward_async(self, data: list[tinker.Datum], **_: Any) -> Any:
        outputs = [
            {"logprobs": tinker.TensorData.from_torch(torch.zeros(datum.model_input.length))}
            for datum in data
        ]

        async def result() -> Any:
            return SimpleNamespace(loss_fn_outputs=outputs)

        return SimpleNamespace(result_async=result)

    def create_sampling_client(self, _: str) -> Sampler:
        return Sampler()

    async def save_weights_and_get_sampling_client_async(self) -> Sampler:
        return Sampler()


async def weights(*_: Any, **__: Any) -> Weights:
    return Weights()


def main(folder: Path) -> None:
    given = settings(folder)
    service = MagicMock()
    service.create_lora_training_client_async = weights
    service.create_training_client_from_state_with_optimizer_async = weights
    tinker.ServiceClient = lambda **_: service
    train.get_tokenizer = lambda _: MagicMock(decode=str)
    train.print_group = lambda *_: None
    asynchronous = given.get("asynchronous")
    config = train.Config(
        learning_rate=1e-5,
        dataset_builder=Builder(folder=str(folder)),
        model_name="none",
        recipe_name="test",
        max_tokens=4,
        log_path=str(folder / "log_path"),
        eval_every=4,
        save_every=given.get("save_every", 1),
        remove_constant_reward_groups=True,
        rollout_error_tolerance=given["drops"],
        async_config=train.AsyncConfig(max_steps_off_policy=2, groups_per_batch=BATCH)
        if asynchronous
        else None,
    )
    executor = None
    if given.get("processes"):
        executor = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    asyncio.run(train.main(config, executor))
    made[0].close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
