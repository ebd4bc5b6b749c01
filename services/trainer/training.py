"""One training from its configuration: everything is built here, resumed, trained and finished."""

import gc
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from peft import LoraConfig, PeftConfig
from transformers import PreTrainedTokenizerBase, PrinterCallback

from services.command_line.configuration import load_mapping, save_mapping
from services.command_line.failures import Failure
from services.models.tokenizer import load_tokenizer, tokens
from services.models.vllm import require_vllm
from services.processes.one_at_a_time import only_one
from services.rewards import Scorer, make_scorer
from services.task_files.tasks import TaskRow, read_tasks
from services.trainer.checkpoints import PREFIX, mark_complete, newest_checkpoint, step_of
from services.trainer.config import Lora, TrainerConfig
from services.trainer.grpo_arguments import grpo_config
from services.trainer.pod_trainer import PodTrainer
from services.trainer.records import RECORDS, FinishedRecord, RecordWriter, read_records
from services.trainer.selector import enter_run, make_client, make_run
from services.trainer.stopping import StopAtStepEnd, Stopped
from services.trainer.vllm_engine import engine_options, update_on_cpu
from trainer_client import RewardScale, SelectorClient
from trainer_client.data_sets import DataSetMismatch
from trainer_client.integrations.trl import TASK_COLUMN

logger = logging.getLogger("services.trainer")

CONFIG = "config.yaml"
MODEL = "model"


def train(config: TrainerConfig) -> None:
    """Train, from the newest checkpoint in the output folder if there is one.

    The main process makes pool and run, and writes records, the model and the end of the records. A training that
    is finished only sends the reports that still wait on disk. Raises `Failure` for what the user can put right,
    and when another training is at work in the output folder; `Stopped` after SIGTERM, when the step at work is
    reported and saved.
    """
    stopping = StopAtStepEnd()
    with stopping.heeding():
        done = _train(config, stopping)
        gc.collect()  # The trainer's cycles hold the group of processes, whose threads abort a process at its end.
        PartialState().destroy_process_group()
    if not done:
        raise Stopped


def _train(config: TrainerConfig, stopping: StopAtStepEnd) -> bool:
    """Whether all steps are done."""
    state = PartialState(cpu=not torch.cuda.is_available())
    main, steps = state.is_main_process, config.training.steps
    refuse_what_cannot_work(config)
    refuse_another_training(config)
    tokenizer = load_tokenizer(config.model.path)
    tasks = short_enough(config, tokenizer)
    with (
        only_one(config.output, "output: ") if main else nullcontext(),
        make_client(config, tasks) as selector,
    ):
        checkpoint = shared_checkpoint(config.output, main)
        step = step_of(checkpoint) if checkpoint else 0
        if step >= steps:
            if main:
                finish(config, selector, step)
            return True
        records, scale = None, None
        if main:
            scale = enter_run(config, tasks, begun=(config.output / RECORDS).exists())
            records = RecordWriter(config.output, step)
            save_mapping(config.output / CONFIG, config.model_dump(mode="json", exclude_none=True))
        trainer = make_trainer(config, tokenizer, tasks, selector, records, shared(scale), step)
        if checkpoint:
            logger.info("going on after step %d, from %s", step, checkpoint)
        trainer.add_callback(stopping)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if trainer.state.global_step < steps:
            if main:
                selector.flush()
            return False
        trainer.save_model(str(config.output / MODEL))
        if main:
            tokenizer.save_pretrained(config.output / MODEL)
            mark_complete(config.output / f"{PREFIX}{steps}")
            finish(config, selector, steps)
        trainer.accelerator.end_training()
        return True


def make_pool_and_run(config: TrainerConfig) -> None:
    """Make the pool and the run at the selector, and no more. Raises `Failure` for what the user can put right."""
    tasks = short_enough(config, load_tokenizer(config.model.path))
    make_run(config, tasks, begun=(config.output / RECORDS).exists())


def refuse_what_cannot_work(config: TrainerConfig) -> None:
    """Raise `Failure` for what would only fail after the model is loaded."""
    if config.rollouts.engine.type != "transformers":
        require_vllm(f"rollouts.engine: {config.rollouts.engine.type} needs vllm")


def refuse_another_training(config: TrainerConfig) -> None:
    """Raise `Failure` if the output folder holds the training of another run; warn of what else has changed."""
    path = config.output / CONFIG
    if not path.exists():
        return
    begun, now = load_mapping(path), config.model_dump(mode="json", exclude_none=True)
    run = begun["selector"]["run"]
    if run != config.selector.run:
        raise Failure(
            f"output: {config.output} holds the training of the run {run!r}, not of {config.selector.run!r}; give "
            "another folder"
        )
    changed = [name for name in {**begun, **now} if begun.get(name) != now.get(name)]
    if changed:
        logger.warning("%s was begun with other settings in %s", config.output, ", ".join(changed))


def shared_checkpoint(folder: Path, main: bool) -> Path | None:
    """The checkpoint that all processes go on from: the one that the main process finds."""
    message = [newest_checkpoint(folder) if main else None]
    broadcast_object_list(message)
    [checkpoint] = message
    if checkpoint is not None and not checkpoint.exists():
        raise Failure(
            f"output: this machine does not see {checkpoint}; give a folder that all machines share"
        )
    return checkpoint


def shared(scale: RewardScale | None) -> RewardScale:
    """What the main process knows of the run's rewards, on all processes."""
    message = [scale]
    broadcast_object_list(message)
    [heard] = message
    assert heard is not None
    return heard


def finish(config: TrainerConfig, selector: SelectorClient, step: int) -> None:
    """Send the reports that wait on disk, and end the records."""
    unsent = selector.flush()
    if unsent:
        logger.warning("%d reports wait on disk; start this training again when the selector is back", unsent)
    if not read_records(config.output).finished:
        RecordWriter(config.output, step).write(FinishedRecord(step=step, unsent_reports=unsent))
    logger.info("all %d steps are done; the model is in %s", step, config.output / MODEL)


def make_trainer(
    config: TrainerConfig,
    tokenizer: PreTrainedTokenizerBase,
    tasks: Sequence[TaskRow],
    selector: SelectorClient,
    records: RecordWriter | None,
    scale: RewardScale | None = None,
    step: int = 0,
) -> PodTrainer:
    """TRL's trainer with model, data, reward and selector, to go on after `step` steps."""
    processes = PartialState().num_processes
    scorer = make_scorer(config.reward, scale)
    held_out = read_tasks(config.evaluation.tasks) if config.evaluation else []
    answers = {task.id: task.answer for task in [*tasks, *held_out]}
    if len(answers) < len(tasks) + len(held_out):
        both = {task.id for task in tasks} & {task.id for task in held_out}
        raise Failure(f"evaluation.tasks: {len(both)} tasks are also trained on, such as {min(both)!r}")
    filtering = config.training.filter_groups
    arguments: dict[str, Any] = {
        "model": config.model.path,
        "processing_class": tokenizer,
        "reward_funcs": reward_function(scorer, answers, config.reward_threads),
        "args": grpo_config(config, processes, torch.cuda.is_available(), resuming=step > 0),
        "train_dataset": dataset(tasks),
        "eval_dataset": dataset(held_out) if held_out else None,
        "peft_config": lora_config(config.model.lora) if config.model.lora else None,
        "selector": selector,
        "on_rollback": config.selector.on_rollback,
        "filter_rounds": filtering.max_rounds if filtering else None,
        "scorer": scorer,
        "records": records,
    }
    try:
        with engine_options(config.rollouts.engine, config.seed, step):
            trainer = PodTrainer(**arguments)
    except DataSetMismatch as error:
        raise Failure(f"tasks.file: {error}") from error
    except OSError as error:
        raise Failure(f"model.path: got {config.model.path!r}; it cannot be loaded: {error}") from error
    trainer.remove_callback(PrinterCallback)  # a line a step is logged instead
    if config.rollouts.engine.type == "vllm-colocate" and not torch.cuda.is_available():
        update_on_cpu(trainer.vllm_generation)
    return trainer


def short_enough(config: TrainerConfig, tokenizer: PreTrainedTokenizerBase) -> list[TaskRow]:
    """The tasks to train on; those with prompts longer than `rollouts.max_prompt_tokens` are left out."""
    tasks = read_tasks(config.tasks)
    longest = config.rollouts.max_prompt_tokens

    def length(task: TaskRow) -> int:
        return len(tokens(task.prompt, tokenizer, config.model.chat_template_arguments))

    kept = [task for task in tasks if longest is None or length(task) <= longest]
    if len(kept) < len(tasks):
        logger.warning(
            "%d of %d tasks have prompts over %s tokens", len(tasks) - len(kept), len(tasks), longest
        )
    if len(kept) < config.training.prompts:
        raise Failure(
            f"tasks.file: {len(kept)} tasks to train on, but training.prompts is {config.training.prompts}"
        )
    return kept


def dataset(tasks: Sequence[TaskRow]) -> Dataset:
    """What TRL reads: each task's id and prompt. Raises `Failure` if some prompts are texts and others chats."""
    if len({type(task.prompt) for task in tasks}) > 1:
        raise Failure(
            "tasks.file: some prompts are texts and others chats; give one kind, or a system_prompt"
        )
    return Dataset.from_list([{TASK_COLUMN: task.id, "prompt": task.prompt} for task in tasks])


def reward_function(scorer: Scorer, answers: dict[str, Any], threads: int) -> Any:
    """The scorer as TRL calls reward functions: completions are texts, or chats of one message."""

    def reward(completions: list[Any], task: list[str], **_: Any) -> list[float]:
        texts = [one if isinstance(one, str) else one[-1].get("content") or "" for one in completions]
        return scorer.scores(texts, [answers[name] for name in task], threads)

    return reward


def lora_config(lora: Lora) -> PeftConfig:
    """The adapters as peft describes them."""
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        target_modules=lora.modules,
        task_type="CAUSAL_LM",
    )
