"""One training from its configuration: everything is built here, resumed, trained and finished."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig, PeftConfig
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from selector_api.cli.failures import MISTAKE, Failure
from services.configuration import checked, load_mapping, save_mapping
from services.rewards import Scorer, make_scorer
from services.task_rows import TaskRow, read_tasks
from trainer_client import SelectorClient
from trainer_client.integrations.trl import TASK_COLUMN

from .checkpoints import newest_checkpoint, step_of
from .config import Lora, TrainerConfig
from .filtering import FilteringTrainer
from .grpo_arguments import grpo_config
from .pod_trainer import PodTrainer
from .records import FinishedRecord, RecordWriter, read_records
from .selector import make_client, make_run
from .vllm_engine import engine_options, update_on_cpu

logger = logging.getLogger("services.trainer")

CONFIG = "config.yaml"
MODEL = "model"


def train_from_file(path: Path) -> None:
    """Train as a YAML file says. Raises `Failure` for what the user can put right."""
    mapping = load_mapping(path)
    config = checked(mapping, TrainerConfig, path)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if PartialState(cpu=not torch.cuda.is_available()).is_main_process:
        config.output.mkdir(parents=True, exist_ok=True)
        save_mapping(config.output / CONFIG, mapping)
    train(config)


def train(config: TrainerConfig) -> None:
    """Train, from the newest checkpoint in the output folder if there is one.

    The main process makes pool and run, and writes records, the model and the end of the records. A training that
    is finished only sends the reports that still wait on disk. Raises `Failure` for what the user can put right.
    """
    main = PartialState(cpu=not torch.cuda.is_available()).is_main_process
    tokenizer = make_tokenizer(config)
    tasks = short_enough(config, tokenizer)
    checkpoint = newest_checkpoint(config.output)
    step = step_of(checkpoint) if checkpoint else 0
    with make_client(config, tasks) as selector:
        if step >= config.training.steps and read_records(config.output).finished:
            logger.info("%s: all %d steps are done", config.output, step)
            if main:
                _unsent_reports(selector)
            return
        records = RecordWriter(config.output, step) if main else None
        if main:
            make_run(config, tasks)
        trainer = make_trainer(config, tokenizer, tasks, selector, records, resuming=checkpoint is not None)
        if checkpoint:
            logger.info("going on after step %d, from %s", step, checkpoint)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        trainer.save_model(str(config.output / MODEL))
        if records is not None:
            tokenizer.save_pretrained(config.output / MODEL)
            unsent = _unsent_reports(selector)
            records.write(FinishedRecord(step=trainer.state.global_step, unsent_reports=unsent))
        trainer.accelerator.end_training()


def make_trainer(
    config: TrainerConfig,
    tokenizer: PreTrainedTokenizerBase,
    tasks: Sequence[TaskRow],
    selector: SelectorClient,
    records: RecordWriter | None,
    *,
    resuming: bool = False,
) -> PodTrainer:
    """TRL's trainer with model, data, reward and selector."""
    processes = PartialState().num_processes
    scorer = make_scorer(config.reward)
    held_out = read_tasks(config.evaluation.tasks) if config.evaluation else []
    answers = {task.id: task.answer for task in [*tasks, *held_out]}
    if len(answers) < len(tasks) + len(held_out):
        both = {task.id for task in tasks} & {task.id for task in held_out}
        raise Failure(
            f"evaluation.tasks: {len(both)} tasks are also trained on, such as {min(both)!r}", MISTAKE
        )
    arguments: dict[str, Any] = {
        "model": config.model.path,
        "processing_class": tokenizer,
        "reward_funcs": reward_function(scorer, answers, config.reward_threads),
        "args": grpo_config(config, processes, torch.cuda.is_available(), resuming),
        "train_dataset": dataset(tasks),
        "eval_dataset": dataset(held_out) if held_out else None,
        "peft_config": lora_config(config.model.lora) if config.model.lora else None,
        "selector": selector,
        "scorer": scorer,
        "records": records,
    }
    with engine_options(config.rollouts.engine):
        filtering = config.training.filter_groups
        trainer = (
            FilteringTrainer(**arguments, max_rounds=filtering.max_rounds)
            if filtering
            else PodTrainer(**arguments)
        )
    if config.rollouts.engine.type == "vllm-colocate" and not torch.cuda.is_available():
        update_on_cpu(trainer.vllm_generation)
    return trainer


def make_tokenizer(config: TrainerConfig) -> PreTrainedTokenizerBase:
    """The model's tokenizer, padding on the left."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(config.model.path, padding_side="left")
    except (OSError, ValueError) as error:
        raise Failure(
            f"model.path: got {config.model.path!r}; no tokenizer there: {error}", MISTAKE
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def short_enough(config: TrainerConfig, tokenizer: PreTrainedTokenizerBase) -> list[TaskRow]:
    """The tasks to train on; those with prompts longer than `rollouts.max_prompt_tokens` are left out."""
    tasks = read_tasks(config.tasks)
    longest = config.rollouts.max_prompt_tokens
    kept = [task for task in tasks if longest is None or prompt_tokens(task, tokenizer) <= longest]
    if len(kept) < len(tasks):
        logger.warning(
            "%d of %d tasks have prompts over %s tokens", len(tasks) - len(kept), len(tasks), longest
        )
    if len(kept) < config.training.prompts:
        raise Failure(
            f"tasks.file: {len(kept)} tasks to train on, but training.prompts is {config.training.prompts}",
            MISTAKE,
        )
    return kept


def prompt_tokens(task: TaskRow, tokenizer: PreTrainedTokenizerBase) -> int:
    """How many tokens a task's prompt has, by the tokenizer's chat template if it is a chat."""
    if isinstance(task.prompt, str):
        return len(tokenizer(task.prompt)["input_ids"])
    return len(tokenizer.apply_chat_template(task.prompt, add_generation_prompt=True, return_dict=False))


def dataset(tasks: Sequence[TaskRow]) -> Dataset:
    """What TRL reads: each task's id and prompt."""
    return Dataset.from_list([{TASK_COLUMN: task.id, "prompt": task.prompt} for task in tasks])


def reward_function(scorer: Scorer, answers: dict[str, Any], threads: int) -> Any:
    """The scorer as TRL calls reward functions: completions are texts, or chats of one message."""

    def reward(completions: list[Any], task: list[str], **_: Any) -> list[float]:
        texts = [one if isinstance(one, str) else one[-1]["content"] for one in completions]
        return scorer.scores(texts, [answers[name] for name in task], threads)

    return reward


def lora_config(lora: Lora) -> PeftConfig:
    """The adapters as peft describes them."""
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.modules,
        task_type="CAUSAL_LM",
    )


def _unsent_reports(selector: SelectorClient) -> int:
    unsent = selector.flush()
    if unsent:
        logger.warning("%d reports wait on disk; start this training again when the selector is back", unsent)
    return unsent
