"""Measuring: batches of tasks through the model and the reward, each kept before the next begins."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from services.command_line.failures import Failure
from services.models.tokenizer import load_tokenizer, tokens
from services.reference_eval.config import ReferenceEvaluation
from services.reference_eval.engines import Engine, load_engine
from services.reference_eval.pace import Pace
from services.reference_eval.progress import Progress
from services.rewards import Scorer, make_scorer
from services.task_files.tasks import TaskRow

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Effort(NamedTuple):
    """What a `measure` did: tasks, tasks a second, and completions on which the reward failed."""

    tasks: int
    rate: float
    failures: int


def measure(config: ReferenceEvaluation, tasks: Sequence[TaskRow], progress: Progress) -> Effort:
    """Measure the tasks and keep their pass rates.

    Raises `Failure` if the model or the reward cannot be loaded, or a prompt has no room in the model.
    """
    scorer = make_scorer(config.reward, config.scale)
    tokenizer = load_tokenizer(config.model.path)
    engine = load_engine(config.engine, config.model, config.sampling, tokenizer)
    # Like lengths share a batch; the longest go first, so that what is too long for the memory shows at once.
    longest_first = sorted(tasks, key=_length, reverse=True)
    size = config.engine.batch
    with Pace(f"measuring {config.name}", len(tasks)) as pace:
        for first in range(0, len(tasks), size):
            batch = longest_first[first : first + size]
            completions = engine.generate(
                [_tokens(task, tokenizer, engine, config) for task in batch],
                [seed_of(task.id, config.sampling.seed) for task in batch],
            )
            progress.add(_pass_rates(batch, completions, scorer, config.reward_threads))
            pace.advance(len(batch))
        return Effort(pace.done, pace.rate, scorer.failures)


def seed_of(task: str, seed: int) -> int:
    """The seed of a task's samples, below 2^48: engines take it, and add a sample's number to it."""
    return int.from_bytes(sha256(f"{seed}:{task}".encode()).digest()[:6])


def _length(task: TaskRow) -> int:
    if isinstance(task.prompt, str):
        return len(task.prompt)
    return sum(len(message["content"]) for message in task.prompt)


def _tokens(
    task: TaskRow, tokenizer: PreTrainedTokenizerBase, engine: Engine, config: ReferenceEvaluation
) -> list[int]:
    prompt = tokens(task.prompt, tokenizer, config.model.chat_template_arguments)
    room = engine.context - config.sampling.max_tokens
    if not 0 < len(prompt) <= room:
        raise Failure(
            f"task {task.id!r}: its prompt has {len(prompt)} tokens. With sampling.max_tokens "
            f"{config.sampling.max_tokens} in a context of {engine.context} it may have 1 to {room}; lower "
            "max_tokens, allow a longer context where the engine and the model do, or take the task out of the file"
        )
    return prompt


def _pass_rates(
    tasks: Sequence[TaskRow], completions: Sequence[Sequence[str]], scorer: Scorer, threads: int
) -> dict[str, float]:
    """What each task's rewards are worth in the mean, in [0, 1]."""
    texts = [text for of_task in completions for text in of_task]
    answers = [task.answer for task, of_task in zip(tasks, completions, strict=True) for _ in of_task]
    rewards = iter(scorer.scores(texts, answers, threads))
    return {
        task.id: fmean(scorer.scale.worth(next(rewards)) for _ in of_task)
        for task, of_task in zip(tasks, completions, strict=True)
    }
