"""GRPO by TRL on tasks that the selector chooses: `SelectedGRPOTrainer` in the place of TRL's `GRPOTrainer`.

    trainer = SelectedGRPOTrainer(
        model=model, reward_funcs=passes, args=GRPOConfig(...), train_dataset=dataset,
        selector=SelectorClient("http://selector:8000", run="my-run"),
    )
    trainer.train()

A row of `train_dataset` is a task: its column `task` holds the id that the pool knows it by.

TRL reads its data one batch ahead, so a sampler that asked the selector would choose batch k+1 before batch k has
its rewards. This trainer leaves the sampler alone and replaces the rows where generation starts: select, roll out,
score, report, update, and only then select again.
"""

# TRL and what it stands on have few types.
# pyright: standard

from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from trl.trainer.grpo_trainer import GRPOTrainer

from trainer_client.client import SelectorClient
from trainer_client.models import Selection
from trainer_client.steps import TrainingSteps, grouped

TASK_COLUMN = "task"


class SelectedGRPOTrainer(GRPOTrainer):
    """TRL's trainer, with one selection and one report for each time that it generates.

    That is once an optimizer step, unless `steps_per_generation` or `num_iterations` say otherwise; a selection
    has `generation_batch_size / num_generations` tasks. With several ranks the main one asks and tells the others,
    and reports for all. The key of a selection comes from `global_step`: a job that dies and resumes from a
    checkpoint gets the same tasks for the same step, and what it reports again counts once.

    Evaluation uses `eval_dataset` as TRL does. TRL's logs get `selector/etr`, the share of the batch's tasks whose
    pass rate was strictly between 0 and 1, and `selector/select_ms` and `selector/report_ms`.

    Args:
        args: as TRL's trainer takes them; so are `kwargs`.
        selector: a client with a run; its pool's tasks must be rows of `train_dataset`.
        explain: whether selections are to say why each task was chosen.
        outcome_reward: which of `reward_funcs` says whether a rollout passed: its values, in [0, 1], are reported.
            A rollout for which it returns None is not counted.

    Raises:
        ValueError: `train_dataset` has no column `task`, or, in training, it lacks a task that the selector chose.
        SelectorError: in training, as `SelectorClient.select` and `report`.
    """

    def __init__(
        self,
        *args: Any,
        selector: SelectorClient,
        explain: bool = False,
        outcome_reward: int = 0,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        if not isinstance(self.train_dataset, Dataset) or TASK_COLUMN not in self.train_dataset.column_names:
            raise ValueError(
                f"train_dataset must be a datasets.Dataset with a column {TASK_COLUMN!r} of ids in the pool"
            )
        self._rows = self.train_dataset
        self._row_of_task = {task: row for row, task in enumerate(self._rows[TASK_COLUMN])}
        self._outcome_reward = outcome_reward
        self._outcomes: torch.Tensor = torch.empty(0)
        self._steps = TrainingSteps(
            selector,
            explain=explain,
            is_main=self.accelerator.is_main_process,
            broadcast=_broadcast,
            measure=lambda name, value: self._metrics["train"][f"selector/{name}"].append(value),
        )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Replace this rank's `inputs` (rows, one for each rollout) by those of the selected tasks."""
        assert self.model is not None
        assert self.num_generations is not None
        if not self.model.training:
            return super()._generate_and_score_completions(inputs)
        here = len(inputs)
        batch_size = here * self.accelerator.num_processes // self.num_generations
        selection = self._select(batch_size)
        first = self.accelerator.process_index * here
        chosen = [
            self._row(selection.tasks[rollout // self.num_generations])
            for rollout in range(first, first + here)
        ]
        batch = super()._generate_and_score_completions(chosen)
        if self.accelerator.is_main_process:
            self._report(selection, self._outcomes.view(batch_size, self.num_generations).tolist())
        return batch

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Keep the outcome of every rank's rollouts: TRL returns rewards gathered, in the order of the ranks."""
        rewards = super()._calculate_rewards(*args, **kwargs)
        self._outcomes = rewards[:, self._outcome_reward]
        return rewards

    def _select(self, batch_size: int) -> Selection:
        """This generation's selection, on every rank."""
        return self._steps.select(self.state.global_step, batch_size)

    def _report(self, selection: Selection, rewards: list[list[float]]) -> None:
        """Report the rewards of each selected task's rollouts (NaN: not scored), and end the selection."""
        self._steps.report(selection, grouped(selection.tasks, rewards))

    def _row(self, task: str) -> dict[str, Any]:
        if task not in self._row_of_task:
            raise ValueError(f"the selector chose task {task!r}, which train_dataset does not have")
        return self._rows[self._row_of_task[task]]


def _broadcast(selection: Selection | None) -> Selection | None:
    box = [selection]
    broadcast_object_list(box)
    return box[0]
