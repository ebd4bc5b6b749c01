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

import math
import time
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from trl.trainer.grpo_trainer import GRPOTrainer

from trainer_client.client import SelectorClient
from trainer_client.models import Selection

TASK_COLUMN = "task"


class SelectedGRPOTrainer(GRPOTrainer):
    """TRL's trainer, with one selection and one report for each time that it generates.

    That is once an optimizer step, unless `steps_per_generation` or `num_iterations` say otherwise; a selection
    has `generation_batch_size / num_generations` tasks. With several ranks the main one asks and tells the others,
    and reports for all. The key of a selection comes from `global_step`: a job that dies and resumes from a
    checkpoint gets the same tasks for the same step, and what it reports again counts once.

        selector        a client with a run; its pool's tasks must be rows of `train_dataset`
        explain         whether selections are to say why each task was chosen
        outcome_reward  which of `reward_funcs` says whether a rollout passed: its values, in [0, 1], are reported.
                        A rollout for which it returns None is not counted

    Evaluation uses `eval_dataset` as TRL does. TRL's logs get `selector/etr`, the share of the batch's tasks whose
    pass rate was strictly between 0 and 1, and `selector/select_ms` and `selector/report_ms`.

    Raises ValueError if `train_dataset` has no column `task`, or the selector hands out a task that it lacks, and
    the errors of `trainer_client.errors`.
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
        self._selector = selector
        self._explain = explain
        self._outcome_reward = outcome_reward
        self._keyed_step, self._selections_in_step = -1, 0
        self._outcomes: torch.Tensor = torch.empty(0)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Replace this rank's `inputs` (rows, one for each rollout) by those of the selected tasks."""
        assert self.model is not None
        assert self.num_generations is not None
        if not self.model.training:
            return super()._generate_and_score_completions(inputs)
        here = len(inputs)
        batch_size = here * self.accelerator.num_processes // self.num_generations
        selection, tasks = self._select(batch_size)
        first = self.accelerator.process_index * here
        chosen = [self._row(tasks[rollout // self.num_generations]) for rollout in range(first, first + here)]
        batch = super()._generate_and_score_completions(chosen)
        if selection is not None:
            self._report(selection, self._outcomes.view(batch_size, self.num_generations).tolist())
        return batch

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Keep the outcome of every rank's rollouts: TRL returns rewards gathered, in the order of the ranks."""
        rewards = super()._calculate_rewards(*args, **kwargs)
        self._outcomes = rewards[:, self._outcome_reward]
        return rewards

    def _select(self, batch_size: int) -> tuple[Selection | None, list[str]]:
        """This generation's selection, which the main rank alone holds, and its tasks, which all ranks get."""
        selection: Selection | None = None
        message: list[list[str] | None] = [None]
        try:
            if self.accelerator.is_main_process:
                start = time.perf_counter()
                selection = self._selector.select(batch_size, key=self._next_key(), explain=self._explain)
                self._measure("select_ms", 1000 * (time.perf_counter() - start))
                message = [selection.tasks]
        finally:  # also when the main rank fails: the others wait for its message
            broadcast_object_list(message)
        if message[0] is None:
            raise RuntimeError("the main rank got no selection; its own error says why")
        return selection, message[0]

    def _report(self, selection: Selection, rewards: list[list[float]]) -> None:
        """Report the rewards of each selected task's rollouts (NaN: not scored), and end the selection."""
        outcomes = {
            task: [reward for reward in row if not math.isnan(reward)]
            for task, row in zip(selection.tasks, rewards, strict=True)
        }
        scored = {task: row for task, row in outcomes.items() if row}
        start = time.perf_counter()
        self._selector.report(selection, scored, final=True)
        self._measure("report_ms", 1000 * (time.perf_counter() - start))
        if scored:
            effective = sum(0 < sum(row) < len(row) for row in scored.values())
            self._measure("etr", effective / len(scored))

    def _next_key(self) -> str:
        """A key that a resumed job makes again: the step, and which of the step's selections this is."""
        step = self.state.global_step
        self._selections_in_step = self._selections_in_step + 1 if step == self._keyed_step else 0
        self._keyed_step = step
        return f"step-{step}.{self._selections_in_step}"

    def _row(self, task: str) -> dict[str, Any]:
        if task not in self._row_of_task:
            raise ValueError(f"the selector chose task {task!r}, which train_dataset does not have")
        return self._rows[self._row_of_task[task]]

    def _measure(self, name: str, value: float) -> None:
        """Add a value to TRL's log of this step."""
        self._metrics["train"][f"selector/{name}"].append(value)
