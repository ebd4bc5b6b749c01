"""A training by Trinity-RFT: its launcher, explorer, scheduler, pipeline and trainer; no model and no weights.

Its argument is a folder with `config.yaml`. What is rolled out is written to `notes` there, the weights' step to
`weights`. A step n waits as long as there is a file `stop-n`; with a file `drops`, some tasks cannot be scored.
"""

# The framework's packages are in another environment.
# pyright: basic, reportMissingImports=false
# ruff: noqa: E402

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

sys.modules["trinity.common.models.mm_utils"] = MagicMock()  # which cannot be imported without vLLM

import ray
import torch
from trinity.cli.launcher import run_stage
from trinity.common.config import load_config
from trinity.common.experience import EID, Experience
from trinity.common.models.model import InferenceModel
from trinity.common.workflows import Workflow
from trinity.manager.synchronizer import Synchronizer
from trinity.trainer import trainer
from trinity.trainer.trainer import TrainEngineWrapper

from tests.integrations.conformance import note, rewards_of

FOLDER = "TRAINING_FOLDER"


class vLLMRolloutModel(InferenceModel):  # noqa: N801
    """In the place of vLLM: nothing is generated."""

    async def sync_model_weights(self, model_version: int, method: Any, timeout: float = 0) -> int:
        self._version = model_version
        return model_version

    def get_model_version(self) -> int:
        return getattr(self, "_version", 0)


class CoinWorkflow(Workflow):
    """Rollouts whose rewards depend on their task alone."""

    can_repeat = True

    def set_repeat_times(self, repeat_times: int, run_id_base: int) -> None:
        self._runs = range(run_id_base, run_id_base + repeat_times)

    def run(self) -> list[Experience]:
        folder, task, step = Path(os.environ[FOLDER]), self.task.raw_task["id"], str(self.task.batch_id)
        rewards = rewards_of(task, len(self._runs), drops=(folder / "drops").exists())
        if self.task.is_eval:
            note(folder / "evaluations", int(step.split("/")[0]), {task: rewards})
        else:
            (folder / f"reached-{step}").touch()
            while (folder / f"stop-{step}").exists():
                time.sleep(0.05)
            note(folder / "notes", int(step), {task: rewards}, os.environ["JOB"])
        if rewards is None:
            raise ValueError("this task cannot be scored")
        return [
            Experience(
                eid=EID(run=run),
                tokens=torch.arange(4),
                prompt_length=2,
                logprobs=torch.zeros(2),
                reward=reward,
            )
            for run, reward in zip(self._runs, rewards, strict=True)
        ]


class Weights(TrainEngineWrapper):
    """In the place of verl: an update is a number in a file."""

    def __init__(self, config: Any):
        self._file = Path(os.environ[FOLDER]) / "weights"
        self._synchronizer = Synchronizer.get_actor(config)
        self._step = int(self._file.read_text()) if self._file.exists() else 0

    async def prepare(self) -> None:
        pass

    @property
    def train_step_num(self) -> int:
        return self._step

    async def train_step(self, batch_exps: list[Experience]) -> dict[str, float]:
        self._step += 1
        return {}

    async def save_checkpoint(self, block_until_saved: bool = False, save_as_hf: bool = False) -> None:
        self._file.write_text(str(self._step))

    async def save_state_dict(self) -> None:
        pass

    async def upload_state_dict(self) -> None:
        await self._synchronizer.set_model_state_dict.remote({}, self._step)

    def sync_weight_nccl(self) -> None:
        pass

    async def get_weight_sync_info(self) -> Any:
        pass

    async def setup_weight_sync_group(self, *_: Any) -> None:
        pass

    async def teardown_weight_sync_group(self) -> None:
        pass


def stand_in() -> None:
    """Put these where Trinity looks, in each of its processes."""
    sys.modules["trinity.common.models.vllm_model"] = sys.modules[vLLMRolloutModel.__module__]
    trainer.get_trainer_wrapper = Weights


def main(folder: Path) -> None:
    config = load_config(str(folder / "config.yaml"))
    environment = {FOLDER: str(folder), "JOB": str(os.getpid()), "PYTHONPATH": os.environ["PYTHONPATH"]}
    hook = "tests.integrations.adapters.trinity_training.stand_in"
    ray.init(
        num_cpus=8,
        num_gpus=2,
        include_dashboard=False,
        runtime_env={"env_vars": environment, "worker_process_setup_hook": hook},
    )
    config.check_and_update()
    status = run_stage(config)
    assert status.success, status.error


if __name__ == "__main__":
    main(Path(sys.argv[1]))
