"""A training by verl's v1 trainer: its loop, data, TransferQueue and checkpoints; no model and no weights."""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ray
import transfer_queue
from omegaconf import OmegaConf
from verl.experimental.agent_loop import AgentLoopOutput
from verl.experimental.agent_loop.agent_loop import AgentLoopMetrics
from verl.trainer.ppo.v1 import AgentLoopManagerTQ, get_trainer_cls

from tests.integrations.adapters.verl_rollouts import config_of, rolled_out, wait_if_asked

FOLDER = "TRAINING_FOLDER"


class CoinLoop:
    """In the place of an agent that asks a model. Every other rollout has two parts."""

    def __init__(self, trainer_config: Any, **_: Any):
        self._rollouts = trainer_config.config.actor_rollout_ref.rollout.n

    async def run(
        self, sampling_params: Any, *, extra_info: Any, session_id: int, global_steps: int, **_: Any
    ) -> list[AgentLoopOutput]:
        folder, task = Path(os.environ[FOLDER]), extra_info["index"]
        evaluates = task.startswith("eval")
        rewards = rolled_out(folder, task, self._rollouts, global_steps, evaluates=evaluates)
        if not evaluates:
            wait_if_asked(folder, global_steps)
        if rewards[session_id] != rewards[session_id]:
            raise ValueError("this task cannot be scored")
        version = {"min_global_steps": global_steps, "max_global_steps": global_steps}
        return [
            AgentLoopOutput(
                prompt_ids=[2, 3],
                response_ids=[4, 1],
                response_mask=[1, 1],
                response_logprobs=[0.0, 0.0],
                reward_score=rewards[session_id],
                num_turns=2,
                metrics=AgentLoopMetrics(),
                extra_fields={"reward_extra_info": {}, **version},
            )
            for _ in range(1 + session_id % 2)
        ]


class Weights:
    """In the place of the workers: an update changes nothing."""

    _dispatch_info = {"actor": [0]}  # noqa: RUF012

    def update_actor(self, batch: Any) -> Any:
        return {"metrics": {"mfu": 0.0}}

    def save_checkpoint(self, path: str, *_: Any, **__: Any) -> None:
        Path(path).mkdir(parents=True)

    def load_checkpoint(self, local_path: str, **_: Any) -> None:
        assert Path(local_path).exists()


def without_workers(trainer: type[Any]) -> type[Any]:
    """The trainer, with what it sets up on GPUs stood in."""

    class Trainer(trainer):
        def _setup(self) -> None:
            self._init_tokenizer()
            self._init_dataloader()
            self._init_dump_executor()
            self._init_resource_pool_mgr()
            self.actor_rollout_wg = Weights()
            self.reward_loop_manager = SimpleNamespace(reward_loop_worker_handles=[])
            self.checkpoint_manager = SimpleNamespace(
                sleep_replicas=lambda: None, update_weights=lambda *_: None
            )
            self._load_checkpoint()

    return Trainer


def main(folder: Path) -> None:
    """As `TaskRunnerV1.run` does it; but Ray starts when what needs none of it has passed."""
    os.environ |= {"JOB": str(os.getpid()), FOLDER: str(folder)}
    config = config_of(folder)
    loops = [
        {"name": "coins", "_target_": f"tests.integrations.adapters.verl_v1_training.{CoinLoop.__name__}"}
    ]
    OmegaConf.save(loops, folder / "loops.yaml")
    config.actor_rollout_ref.rollout.agent.agent_loop_config_path = str(folder / "loops.yaml")
    config.transfer_queue.enable = True
    trainer = without_workers(get_trainer_cls(config.trainer.v1.trainer_mode))(config=config)
    trainer.init()
    ray.init(num_cpus=8, include_dashboard=False, _node_ip_address="127.0.0.1")
    transfer_queue.init(config.transfer_queue)
    loops = AgentLoopManagerTQ.create(config=config, llm_client=None, reward_loop_worker_handles=[])
    trainer.fit(loops)
    transfer_queue.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
