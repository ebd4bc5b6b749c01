"""The trainer of a pod: TRL's GRPO on selected tasks, with records, held-out accuracy and marked checkpoints."""

import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any

from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from services.rewards import Scorer
from services.trainer.checkpoints import PREFIX, mark_complete, unmark
from services.trainer.held_out import held_out_rates
from services.trainer.records import EvaluationRecord, RecordWriter, SelectionRecord, StepRecord, TaskRecord
from trainer_client import Selection
from trainer_client.integrations.trl import SelectedGRPOTrainer

logger = logging.getLogger("services.trainer")


class PodTrainer(SelectedGRPOTrainer):
    """A `SelectedGRPOTrainer` that writes `records.jsonl`.

    It takes the same arguments, and two of its own.

    Args:
        scorer: what scores the rollouts; how often it fails is recorded.
        records: where to; None on every process but the main one.
    """

    def __init__(self, *args: Any, scorer: Scorer, records: RecordWriter | None, **kwargs: Any):
        super().__init__(*args, explain=True, **kwargs)
        self.records = records
        self.scorer = scorer
        self._failures_before = scorer.failure_kinds.copy()
        self.selections: list[SelectionRecord] = []
        self.selector_seconds = 0.0
        self.rollouts = 0
        self.rollout_tokens = 0.0
        self.rewards_sum = 0.0
        self.add_callback(StepRecorder(self))

    def _measure(self, name: str, value: float) -> None:
        super()._measure(name, value)
        if name.endswith("_ms"):
            self.selector_seconds += value / 1000

    def _report(self, selection: Selection, rewards: list[list[float]]) -> None:
        super()._report(selection, rewards)
        means = {told.task: told.mean for told in selection.explain or []}
        tasks = [
            TaskRecord(
                task=task,
                mean=means.get(task),
                successes=sum(map(self.scorer.scale.worth, row)),
                trials=len(row),
                informative=min(row) < max(row),
            )
            for task, row in zip(selection.tasks, rewards, strict=True)
        ]
        self.selections.append(
            SelectionRecord(
                selection=selection.selection,
                run=selection.run,
                fallback=selection.fallback,
                tasks=tasks,
            )
        )
        self.rewards_sum += sum(map(sum, rewards))

    def _generate(self, prompts: list[Any]) -> Any:
        answer = super()._generate(prompts)
        assert self.model is not None
        if self.model.training:
            rollouts = len(prompts) * self.accelerator.num_processes
            self.rollouts += rollouts
            self.rollout_tokens += self._metrics["train"]["completions/mean_length"][-1] * rollouts
        return answer

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The mean pass rate over the held-out tasks, recorded; TRL would also compute a loss on them."""
        assert self.model is not None
        assert self.num_generations_eval is not None
        was_training = self.model.training
        self.model.eval()
        rates = held_out_rates(self, self.num_generations_eval)
        accuracy = sum(rates) / len(rates)
        if self.records is not None:
            self.records.write(
                EvaluationRecord(
                    step=self.state.global_step,
                    accuracy=accuracy,
                    tasks=len(rates),
                    samples=self.num_generations_eval,
                )
            )
            logger.info("step %d: held-out accuracy %.3f", self.state.global_step, accuracy)
        metrics = {"eval_accuracy": accuracy}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.model.train(was_training)
        return metrics

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None: TRL's describes a model from the hub, with an example that may not fit."""

    def record_step(self, seconds: float) -> None:
        """Write what the step that has just ended saw, and start over. Every process calls this."""
        failures = sum(gather_object([self.scorer.failure_kinds - self._failures_before]), Counter[str]())
        self._failures_before = self.scorer.failure_kinds.copy()
        if self.records is not None:
            record = StepRecord(
                step=self.state.global_step,
                selections=self.selections,
                rollouts=self.rollouts,
                rollout_tokens=round(self.rollout_tokens),
                seconds=seconds,
                selector_seconds=self.selector_seconds,
                reward=self.rewards_sum / self.rollouts if self.rollouts else None,
                reward_failures=failures.total(),
                reward_failure_kinds=dict(failures),
            )
            self.records.write(record)
            logger.info("step %d of %d: %s", record.step, self.state.max_steps, in_words(record))
        self.selections = []
        self.rollouts, self.rollout_tokens, self.rewards_sum, self.selector_seconds = 0, 0.0, 0.0, 0.0

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        assert self.args.output_dir is not None
        checkpoint = Path(self.args.output_dir) / f"{PREFIX}{self.state.global_step}"
        if self.accelerator.is_main_process:
            unmark(checkpoint)
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        # The last one gets its mark when the model is saved, too: nothing can go on from it.
        if self.accelerator.is_main_process and self.state.global_step < self.state.max_steps:
            mark_complete(checkpoint)


def in_words(step: StepRecord) -> str:
    """A step on one line, for the log."""
    tasks = [task for selection in step.selections for task in selection.tasks]
    words = [f"{step.seconds:.1f} s", f"{1000 * step.selector_seconds:.0f} ms of them with the selector"]
    if tasks:
        effective = sum(task.effective for task in tasks)
        words = [f"reward {step.reward:.3f}", f"{effective} of {len(tasks)} tasks effective", *words]
    if any(selection.fallback for selection in step.selections):
        words.append("drawn uniformly, as the selector is away")
    return ", ".join(words)


class StepRecorder(TrainerCallback):
    """Tells its trainer when a step ends, and asks for an evaluation after the last."""

    def __init__(self, trainer: PodTrainer):
        self._trainer = trainer
        self._started = 0.0

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """A step begins."""
        self._started = time.perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """A step has ended; evaluation and checkpoint come after this."""
        self._trainer.record_step(time.perf_counter() - self._started)
        if state.global_step >= state.max_steps and args.eval_strategy != "no":
            control.should_evaluate = True
