"""One arm of the comparison: GRPO by TRL on the tasks of one run, in a process of its own."""

import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl.trainer.grpo_config import GRPOConfig

from services.demo.model import ANSWER_TOKENS, make_model, make_tokenizer, pass_rates
from services.demo.setting import Setting
from services.demo.tasks import DemoTask
from trainer_client import SelectorClient
from trainer_client.integrations.trl import SelectedGRPOTrainer


@dataclass(frozen=True)
class Step:
    """What one step saw. Times are in milliseconds, `capability` is μ by domain."""

    policy: str
    step: int
    reward: float
    etr: float
    capability: dict[str, float | None]
    select_ms: float
    report_ms: float


@dataclass(frozen=True)
class Evaluation:
    """The mean pass rate on the held-out tasks after `step` steps."""

    policy: str
    step: int
    accuracy: float


def train_arm(
    policy: str,
    run: str,
    url: str,
    setting: Setting,
    pool: Sequence[DemoTask],
    held_out: Sequence[DemoTask],
    start: Path,
    progress: "Queue[Step | Evaluation]",
) -> None:
    """Train from the weights at `start` for the setting's steps, and tell of each step on `progress`."""
    _be_quiet()
    torch.set_num_threads(1)
    tokenizer, model = make_tokenizer(), make_model(start)
    task_by_id = {task.id: task for task in pool}

    def passes(completions: list[str], task: list[str], **_: Any) -> list[float]:
        return [float(task_by_id[name].passes(text)) for name, text in zip(task, completions, strict=True)]

    with SelectorClient(url, run=run) as selector:

        class Tell(TrainerCallback):
            """Tells of every step, and evaluates at the start and every so often."""

            def evaluate(self, step: int) -> None:
                rates = pass_rates(model, tokenizer, held_out, setting.evaluation_samples, seed=setting.seed)
                progress.put(Evaluation(policy, step, sum(rates) / len(rates)))

            def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                self.evaluate(0)

            def on_log(self, args: Any, state: Any, control: Any, **about: Any) -> None:
                logs: dict[str, float] = about["logs"]
                if "selector/etr" not in logs:
                    return  # the summary at the end
                progress.put(
                    Step(
                        policy,
                        state.global_step,
                        logs["reward"],
                        logs["selector/etr"],
                        selector.run_status().capability,
                        logs["selector/select_ms"],
                        logs["selector/report_ms"],
                    )
                )
                if state.global_step % setting.evaluate_every == 0 or state.global_step == setting.steps:
                    self.evaluate(state.global_step)

        trainer = SelectedGRPOTrainer(
            model=model,
            processing_class=tokenizer,
            reward_funcs=passes,
            args=_grpo_config(setting, start.parent / run),
            train_dataset=Dataset.from_list([{"task": task.id, "prompt": task.prompt} for task in pool]),
            callbacks=[Tell()],
            selector=selector,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def _grpo_config(setting: Setting, folder: Path) -> GRPOConfig:
    return GRPOConfig(
        output_dir=str(folder),
        seed=setting.seed,
        max_steps=setting.steps,
        per_device_train_batch_size=setting.prompts * setting.rollouts,
        num_generations=setting.rollouts,
        max_completion_length=ANSWER_TOKENS,
        learning_rate=setting.learning_rate,
        lr_scheduler_type="constant",  # so that accuracy at a step does not depend on the planned end
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
    )


def _be_quiet() -> None:
    """Keep the libraries' notices off the live table."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.simplefilter("ignore")
    transformers.utils.logging.set_verbosity_error()
    logging.getLogger("httpx").setLevel(logging.WARNING)
