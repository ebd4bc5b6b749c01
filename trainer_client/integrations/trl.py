"""GRPO by TRL on tasks that the selector chooses: `SelectedGRPOTrainer` in the place of TRL's `GRPOTrainer`.

    trainer = SelectedGRPOTrainer(
        model=model, reward_funcs=passes, args=GRPOConfig(...), train_dataset=dataset,
        selector=SelectorClient("http://selector:8000", run="my-run"),
    )
    trainer.train()

A row of `train_dataset` is a task: its column `task` holds the id that the pool knows it by (an integer stands for
its decimal text). Tasks of the pool that it lacks are excluded from the run, with a warning.

TRL reads its data one batch ahead, so a sampler that asked the selector would choose batch k+1 before batch k has
its rewards. This trainer leaves the sampler alone and replaces the rows where generation starts: select, roll out,
score, report, update, and only then select again.
"""

# TRL and what it stands on have few types.
# pyright: standard

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, get_last_checkpoint
from trl.trainer.grpo_trainer import GRPOTrainer

from trainer_client.client import SelectorClient
from trainer_client.data_sets import DataSetMismatch, task_ids
from trainer_client.groups import Reward, grouped, not_scored
from trainer_client.integrations.trl_batches import Batch, joined, of_all_processes, rows, share_of
from trainer_client.models import Selection
from trainer_client.resuming import OnRollback
from trainer_client.steps import TrainingSteps

TASK_COLUMN = "task"

OutcomeReward = int | Callable[[Sequence[Reward]], Reward] | None
"""Which of a rollout's rewards, one of each reward function, is its outcome."""


class SelectedGRPOTrainer(GRPOTrainer):
    """TRL's trainer, with one selection and one report for each time that it generates.

    That is once an optimizer step, unless `steps_per_generation` or `num_iterations` say otherwise; a selection
    has `generation_batch_size / num_generations` tasks. With several ranks the main one asks and tells the others,
    and reports for all. The key of a selection comes from `global_step`: a job that dies and resumes from a
    checkpoint gets the same tasks for the same step. If the run is ahead of the checkpoint, `on_rollback` says what
    is done; by default the training goes on in a fork of its run, whose name its checkpoints remember.

    Evaluation uses `eval_dataset` as TRL does. TRL's logs get the figures of `trainer_client.figures`, such as
    `selector/etr`; with `filter_rounds` also `selector/informative`, the share of informative groups trained on.
    `global_step` is told as the policy version: it is the number of updates of the weights that roll out.

    Args:
        args: as TRL's trainer takes them; so are `kwargs`.
        selector: a client with a run; its pool must have the tasks of `train_dataset`.
        explain: whether selections are to say why each task was chosen.
        outcome_reward: what is reported of a rollout. None: the value of the first of `reward_funcs` that answers
            (does not return None), as where each knows a domain. A number: that function's. Or a callable, which
            gets the values of all functions (None where one did not answer) and returns what is reported. A rollout
            without a value is not counted; a task without any is reported as dropped.
        on_rollback: "fork", "keep" or "fail"; see `trainer_client.resuming`.
        filter_rounds: train on informative groups only, as DAPO's dynamic sampling (arXiv 2503.14476, equation 11):
            a generation asks for tasks that promise a full batch of them, reports all, drops the groups whose
            rewards are all equal, and asks for as many tasks as promise what is missing; until it has rolled out so
            many batches. Then groups without variance, which have no gradient, fill it up. None: train on all.
            Not for prompts with images.

    Raises:
        DataSetMismatch: `train_dataset` has no column `task`, an id twice, or tasks that the pool lacks.
        RewardOutOfRange: in training, before an update: a reward that the run does not take.
        RolledBack: in training, with `on_rollback="fail"`.
        SelectorError: as `SelectorClient.select` and `report`.
    """

    def __init__(
        self,
        *args: Any,
        selector: SelectorClient,
        explain: bool = False,
        outcome_reward: OutcomeReward = None,
        on_rollback: OnRollback = "fork",
        filter_rounds: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self._filter_rounds = filter_rounds
        self._rows, tasks = _rows_and_ids(self.train_dataset)
        self._row_of_task = {task: row for row, task in enumerate(tasks)}
        self._outcome_reward = outcome_reward
        self._outcomes: torch.Tensor = torch.empty(0)
        self._steps = TrainingSteps(
            selector,
            explain=explain,
            on_rollback=on_rollback,
            is_main=self.accelerator.is_main_process,
            broadcast=_broadcast,
            measure=self._measure,
        )
        self._steps.fit(tasks)

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> Any:
        """Train as TRL does, in the run that the checkpoint remembers."""
        folder = resume_from_checkpoint
        if folder is True:
            folder = get_last_checkpoint(str(self.args.output_dir))
        self._steps.begin(Path(folder) if folder else None)
        return super().train(resume_from_checkpoint, *args, **kwargs)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.accelerator.is_main_process:
            folder = f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
            self._steps.remember(Path(str(self.args.output_dir)) / folder)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Batch:
        """Replace this rank's `inputs` (rows, one for each rollout) by those of the selected tasks."""
        assert self.model is not None
        assert self.num_generations is not None
        if not self.model.training:
            return super()._generate_and_score_completions(inputs)
        wanted = len(inputs) * self.accelerator.num_processes // self.num_generations
        if self._filter_rounds is not None:
            return self._informative_batch(wanted, self._filter_rounds)
        selection = self._select(wanted)
        batch, outcomes = self._rolled_out(selection.tasks)
        if self.accelerator.is_main_process:
            self._report(selection, outcomes.tolist())
        return batch

    def _informative_batch(self, wanted: int, rounds: int) -> Batch:
        """This rank's rollouts of so many groups, if possible such whose rewards differ."""
        assert self.num_generations is not None
        processes, pad_token = self.accelerator.num_processes, self._tokenizer.pad_token_id
        assert isinstance(pad_token, int)
        kept: list[Batch] = []
        others: list[Batch] = []
        found, left = 0, rounds * wanted
        while found < wanted and (selection := self._next(wanted, found, left, is_first=not kept)):
            seen: list[torch.Tensor] = []
            for start in range(0, len(selection.tasks), wanted):  # as many at once as without the filter
                batch, outcomes = self._rolled_out(selection.tasks[start : start + wanted])
                if processes > 1:
                    batch = of_all_processes(batch, pad_token)
                batch = rows(batch, slice(outcomes.numel()))
                differ = _differ(outcomes).repeat_interleave(self.num_generations)
                kept.append(rows(batch, differ))
                others.append(rows(batch, ~differ))
                seen.append(outcomes)
            outcomes = torch.cat(seen)
            if self.accelerator.is_main_process:
                self._report(selection, outcomes.tolist())
            found, left = found + int(_differ(outcomes).sum()), left - len(outcomes)
        self._metrics["train"]["selector/informative"].append(min(found / wanted, 1.0))
        whole = rows(joined(kept + others, pad_token), slice(wanted * self.num_generations))
        return share_of(whole, self.accelerator.process_index, processes)

    def _next(self, wanted: int, found: int, at_most: int, *, is_first: bool) -> Selection | None:
        """The next selection of a step that has found so many of the groups it wants; None if it has to do."""
        if (planned := self._plan(wanted - found, at_most)) is not None:
            return planned
        if is_first:
            return self._select(wanted)
        step = self.state.global_step
        return (
            None if found or at_most < wanted else self._steps.select_more(step, wanted, policy_version=step)
        )

    def _rolled_out(self, tasks: Sequence[str]) -> tuple[Batch, torch.Tensor]:
        """This rank's rollouts of these tasks, and the outcomes of all ranks', shape [tasks, generations].

        Every rank has as many rollouts; what that takes beyond the tasks' own stands last and has no outcomes.
        """
        assert self.num_generations is not None
        processes, generations = self.accelerator.num_processes, self.num_generations
        even = processes // math.gcd(processes, generations)
        groups = math.ceil(len(tasks) / even) * even
        here = groups * generations // processes
        first = self.accelerator.process_index * here
        chosen = [
            self._row(tasks[rollout // generations % len(tasks)]) for rollout in range(first, first + here)
        ]
        batch = super()._generate_and_score_completions(chosen)
        return batch, self._outcomes.view(groups, generations)[: len(tasks)]

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Keep the outcome of every rank's rollouts: TRL returns rewards gathered, in the order of the ranks."""
        rewards = super()._calculate_rewards(*args, **kwargs)
        self._outcomes = _outcomes(rewards, self._outcome_reward)
        return rewards

    def _select(self, batch_size: int) -> Selection:
        """This generation's selection, on every rank."""
        step = self.state.global_step
        return self._steps.select(step, batch_size, policy_version=step)

    def _plan(self, informative: int, at_most: int) -> Selection | None:
        """Tasks that promise so many informative groups, on every rank; None if these would be too many."""
        step, rollouts = self.state.global_step, self.num_generations
        assert rollouts is not None
        return self._steps.plan(step, informative, rollouts=rollouts, at_most=at_most, policy_version=step)

    def _report(self, selection: Selection, rewards: list[list[float]]) -> None:
        """Report the rewards of each selected task's rollouts (NaN: not scored), and end the selection."""
        seen = grouped(selection.tasks, rewards)
        self._steps.report(
            selection,
            seen,
            dropped=not_scored(selection.tasks, seen),
            policy_version=self.state.global_step,
        )

    def _measure(self, name: str, value: float) -> None:
        """Take a figure of the selector's part, for TRL's log; see `TrainingSteps`."""
        self._metrics["train"][f"selector/{name}"].append(value)

    def _row(self, task: str) -> dict[str, Any]:
        if task not in self._row_of_task:
            raise ValueError(f"the selector chose task {task!r}, which train_dataset does not have")
        return {**self._rows[self._row_of_task[task]], TASK_COLUMN: task}


def _rows_and_ids(rows: Any) -> tuple[Dataset, list[str]]:
    """The data set, and the ids of its rows.

    Raises:
        DataSetMismatch: it has none.
    """
    if not isinstance(rows, Dataset):
        kind = type(rows).__name__
        raise DataSetMismatch(f"train_dataset: got a {kind}; it must be a datasets.Dataset")
    if TASK_COLUMN not in rows.column_names:
        raise DataSetMismatch(
            f"train_dataset must be one with a column {TASK_COLUMN!r} of ids in the pool; its columns are "
            f"{', '.join(rows.column_names)}. Rename the one that holds the ids: "
            f"dataset.rename_column(…, {TASK_COLUMN!r})"
        )
    try:
        return rows, task_ids(rows[TASK_COLUMN])
    except DataSetMismatch as error:
        raise DataSetMismatch(f"train_dataset, column {TASK_COLUMN!r}: {error}") from None


def _outcomes(rewards: torch.Tensor, which: OutcomeReward) -> torch.Tensor:
    """Of each rollout, a row, the reward that is reported; a column a function, NaN where it has no answer."""
    if isinstance(which, int):
        return rewards[:, which]
    if which is None:
        first = (~rewards.isnan()).to(torch.int8).argmax(dim=1, keepdim=True)
        return rewards.gather(1, first).squeeze(1)
    chosen = [which([None if value != value else value for value in row]) for row in rewards.tolist()]
    return torch.tensor([float("nan") if value is None else value for value in chosen], dtype=torch.float64)


def _differ(outcomes: torch.Tensor) -> torch.Tensor:
    """Of each group, a row, whether its rewards (NaN: not scored) are not all equal."""
    return outcomes.nan_to_num(nan=math.inf).amin(dim=1) < outcomes.nan_to_num(nan=-math.inf).amax(dim=1)


def _broadcast(answer: Any) -> Any:
    box = [answer]
    broadcast_object_list(box)
    return box[0]
