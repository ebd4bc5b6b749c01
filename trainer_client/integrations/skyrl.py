"""RL by SkyRL on tasks that the selector chooses: `SelectedTrainer` where an experiment makes its trainer.

    class Experiment(BasePPOExp):
        def get_trainer(self, **parts):
            return SelectedTrainer(**parts, run="my-run")

A row of the training data has the id that the pool knows its task by in a column `task`.
"""

# pyright: standard, reportMissingImports=false

from collections.abc import Mapping, Sequence
from itertools import compress, count
from typing import Any

from skyrl.train.trainer import RayPPOTrainer

from trainer_client.data_sets import task_ids
from trainer_client.feed import TaskFeed
from trainer_client.groups import by_task
from trainer_client.loading import SelectedLoader


class SelectedTrainer(RayPPOTrainer):
    """SkyRL's trainer, with a selection for each batch of prompts, reported before dynamic sampling and filters.

    SkyRL's checkpoints keep its place in `data.pt`; its log gets `selector/…` as `TaskFeed.figures`.

    Args:
        run: the run; without one, the environment's SELECTOR_RUN.
        selector: further arguments of `TaskFeed`.
        parts: as SkyRL's trainer takes them.

    Raises:
        DataSetMismatch: a row has no id, two have the same, or the run's pool lacks a task.
        SelectorError: the service refuses.
    """

    def __init__(self, *, run: str | None = None, selector: Mapping[str, Any] | None = None, **parts: Any):
        self._run, self._options = run, dict(selector or {})
        super().__init__(**parts)

    def _build_train_dataloader_and_compute_training_steps(self) -> None:
        super()._build_train_dataloader_and_compute_training_steps()
        self._tasks = task_ids(row.get("task") for row in self.train_dataset.dataframe)
        size = self.cfg.trainer.train_batch_size
        self._feed = TaskFeed(self._run, batch_size=size, tasks=self._tasks, **self._options)
        self._feed.open()
        batches = len(self.train_dataloader)
        self.train_dataloader = SelectedLoader(_Drawn(self.train_dataset), self._tasks, self._feed, batches)

    async def generate(self, input_batch: Any) -> Any:
        """Generate as SkyRL does for training, and report; evaluations go another way."""
        output = await super().generate(input_batch)
        in_steps = self.cfg.generator.step_wise_trajectories
        rows = (output if in_steps else input_batch)["trajectory_ids"]
        tasks = [self._tasks[int(row.instance_id.partition("-")[0])] for row in rows]
        rewards = [sum(reward) if isinstance(reward, Sequence) else reward for reward in output["rewards"]]
        told = output["is_last_step"] if in_steps else [True] * len(rows)
        self._feed.report(by_task(compress(tasks, told), compress(rewards, told)))
        self.all_metrics |= self._feed.logged
        return output


class _Drawn:
    """The data set's rows, each with an id of its own every time: SkyRL tells groups by these.

    With dynamic sampling a step has several selections, and a task may be in more than one.
    """

    def __init__(self, data_set: Any):
        self._data_set, self._times = data_set, count()
        self.collate_fn = data_set.collate_fn

    def __getitem__(self, row: int) -> tuple[Any, ...]:
        *others, _ = self._data_set[row]
        return (*others, f"{row}-{next(self._times)}")
