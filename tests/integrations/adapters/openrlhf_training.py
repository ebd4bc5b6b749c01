"""A training by OpenRLHF's command in one process: no GPUs, no vLLM, no DeepSpeed, no model and no weights.

Its command line, trainer, data, executor of agents, filter and advantages are its own. Stood in for are what cannot
be imported here, vLLM's engine, Ray's processes (actors are made here, of classes sent as Ray sends them), and the
actors with the weights, whose checkpoints keep what OpenRLHF gives them. Its argument is a folder with
`settings.json`. What is rolled out is written to `notes`, by its batch.
"""

# pyright: basic, reportMissingImports=false

from __future__ import annotations

import asyncio
import json
import os
import runpy
import sys
import threading
from collections import Counter
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import ray
import ray.actor
import ray.cloudpickle

from tests.integrations.conformance import note, rewards_of
from tests.integrations.trainings import BATCH, EVALUATED, ROLLOUTS, roll_out, settings

FOLDER, JOB = "TRAINING_FOLDER", "TRAINING_JOB"
EPISODES = 2


class Missing(ModuleType):
    """A package that needs GPUs: whatever is imported from it is there, and does nothing."""

    __path__: list[str] = []  # noqa: RUF012

    def __init__(self, name: str):
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None, is_package=True)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock()


def stand_in() -> None:
    """In each process, before anything of OpenRLHF is imported."""
    for name in (
        "deepspeed",
        "deepspeed.checkpoint.utils",
        "deepspeed.runtime.zero.offload_config",
        "deepspeed.runtime.zero.partition_parameters",
        "flash_attn",
        "flash_attn.bert_padding",
        "flash_attn.utils.distributed",
        "vllm",
        "vllm.inputs",
        "vllm.utils",
    ):
        sys.modules[name] = Missing(name)
    sys.modules["vllm"].SamplingParams = SimpleNamespace  # type: ignore[attr-defined]


class Handle:
    """In the place of an actor: its methods are called here, at once."""

    def __init__(self, actor: Any):
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *args, **named: done(getattr(self._actor, name)(*args, **named)))


def done(result: Any) -> Any:
    """What came of a call; a reference to it is the thing itself."""
    return asyncio.run(result) if asyncio.iscoroutine(result) else result


def in_one_process() -> None:
    """Let Ray's calls stay in this process."""

    def make(kind: Any, *args: Any, **named: Any) -> Handle:
        sent = ray.cloudpickle.dumps(kind.__ray_metadata__.modified_class)
        return Handle(ray.cloudpickle.loads(sent)(*args, **named))

    ray.get = ray.put = lambda reference, **_: reference
    ray.wait = lambda references, **_: (references[:1], references[1:])
    ray.is_initialized = lambda: True
    ray.actor.ActorClass.remote = make


_lock, _rolled_out = threading.Lock(), Counter[str]()


def reward_func(queries: list[str], prompts: list[str], labels: list[str]) -> dict[str, float]:
    """OpenRLHF's reward function, in the engine's process: one rollout a call."""
    folder, (task,) = Path(os.environ[FOLDER]), labels
    evaluates = task in EVALUATED
    with _lock:
        batch = sum(_rolled_out.values()) // (ROLLOUTS * BATCH)
        rollout = _rolled_out[task] % ROLLOUTS
        if not evaluates:
            _rolled_out[task] += 1
        if rollout == 0:
            if evaluates:
                note(folder / "evaluations", 0, {task: rewards_of(task, ROLLOUTS)})
            else:
                roll_out(folder, first_batch(folder) + batch, task, os.environ[JOB])
    rewards = rewards_of(task, ROLLOUTS)
    assert rewards is not None
    return {"rewards": rewards[rollout], "scores": rewards[rollout]}


class Weights:
    """In the place of the actors with the models: an update changes nothing."""

    def __init__(self, *_: Any, **__: Any):
        self._checkpoint = Path(os.environ[FOLDER]) / "checkpoints" / "_actor"

    def async_init_model_from_pretrained(self, *_: Any, **__: Any) -> list[Any]:
        return []

    async_save_model = async_init_model_from_pretrained

    def async_run_method(self, method_name: str, **given: Any) -> list[Any]:
        if method_name == "get_checkpoint_states":
            return [ray.put(json.loads((self._checkpoint / "states.json").read_text()))]
        if method_name == "save_checkpoint":
            self._checkpoint.mkdir(parents=True, exist_ok=True)
            unfinished = self._checkpoint / "unfinished"
            unfinished.write_text(json.dumps(given["client_states"]))
            unfinished.replace(self._checkpoint / "states.json")
        return [ray.put({})] if method_name == "fit" else []

    def async_run_method_batch(self, method_name: str, **given: Any) -> list[Any]:
        if method_name != "forward":
            return []
        return [ray.put([mask.float() for mask in given["action_mask"]])]


def first_batch(folder: Path) -> int:
    """Where this job began; the file is written when it did."""
    return int((folder / f"first-{os.environ[JOB]}").read_text())


def engines(*_: Any, remote_rm_url: list[str], **__: Any) -> list[Any]:
    """An engine that says nothing, asked by OpenRLHF's own executor."""
    from openrlhf.trainer.ray import vllm_engine
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    class Engine:
        def __init__(self):
            self.executor = SingleTurnAgentExecutor(remote_rm_url)

        def get_num_unfinished_requests(self) -> int:
            return 0

        async def generate(self, *_: Any, **__: Any) -> Any:
            said = SimpleNamespace(token_ids=[3, 4], finish_reason="stop", logprobs=None)
            return SimpleNamespace(outputs=[said])

        generate_responses = vllm_engine.RolloutRayActor.__ray_metadata__.modified_class.generate_responses

    return [ray.remote(Engine).remote()]


def arguments(folder: Path, given: dict[str, Any]) -> list[str]:
    """OpenRLHF's command line."""
    for name, tasks in (("train", given["tasks"]), ("eval", EVALUATED)):
        rows = [{"input": f"what is {task}", "answer": task, "task": task} for task in tasks]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "rewards.py").write_text(f"from {__spec__.name} import reward_func\n")
    states = folder / "checkpoints" / "_actor" / "states.json"
    done = json.loads(states.read_text())["global_step"] if states.exists() else 0
    (folder / f"first-{os.environ[JOB]}").write_text(str(done))
    chosen = {
        "actor.model_name_or_path": given["model"],
        "actor.num_gpus_per_node": 1,
        "algo.advantage.estimator": "group_norm",
        "algo.kl.init_coef": 0,
        "ckpt.path": folder / "checkpoints",
        "ckpt.save_steps": given.get("save_steps", 1),
        "data.input_key": "input",
        "data.label_key": "answer",
        "data.max_len": 64,
        "data.prompt_dataset": folder / "train.jsonl",
        "eval.dataset": folder / "eval.jsonl",
        "eval.n_samples_per_prompt": ROLLOUTS,
        "eval.steps": 4,
        "reward.remote_url": folder / "rewards.py",
        "rollout.batch_size": BATCH,
        "rollout.max_new_tokens": 4,
        "rollout.n_samples_per_prompt": ROLLOUTS,
        "train.batch_size": BATCH * ROLLOUTS,
        "train.num_episodes": EPISODES,
        "vllm.num_engines": 1,
    }
    flags = ["ckpt.load_enable", *given.get("flags", ())]
    return [f"--{name}" for name in flags] + [
        part for name, value in chosen.items() for part in (f"--{name}", str(value))
    ]


def main(folder: Path) -> None:
    os.environ |= {FOLDER: str(folder), JOB: str(os.getpid())}
    given = settings(folder)
    stand_in()
    in_one_process()
    import openrlhf.trainer.ray
    from openrlhf.trainer.ray import launcher

    openrlhf.trainer.ray.create_vllm_engines = engines
    launcher.RayActorGroup = Weights
    sys.argv[1:] = arguments(folder, given)

    from trainer_client.integrations.openrlhf import select_tasks

    select_tasks(given["run"], url=given["url"], max_retries=1, unsent_reports=folder / "unsent")
    runpy.run_module("openrlhf.cli.train_ppo_ray", run_name="__main__")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
