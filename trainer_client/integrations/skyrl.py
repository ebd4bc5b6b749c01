"""RL by SkyRL on tasks that the selector chooses: `SelectedTrainer` where an experiment makes its trainer.

    class Experiment(BasePPOExp):
        def get_trainer(self, **parts):
            return SelectedTrainer(**parts, run="my-run")

A row of the training data has the id that the pool knows its task by in a column `task`.
"""

# pyright: standard, reportMissingImports=false

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from skyrl.train.trainer import RayPPOTrainer

from trainer_client.data_sets import task_ids
from trainer_client.feed import TaskFeed
from trainer_client.groups import Reward


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
        self.train_dataloader = _Batches(
            self.train_dataset, self._tasks, self._feed, len(self.train_dataloader)
        )

    async def generate(self, input_batch: Any) -> Any:
        """Generate as SkyRL does for training, and report; evaluations go another way."""
        output = await super().generate(input_batch)
        in_steps = self.cfg.generator.step_wise_trajectories
        rows = (output if in_steps else input_batch)["trajectory_ids"]
        rewards = output["rewards"]
        groups: dict[str, list[Reward]] = defaultdict(list)
        for row, reward, is_last in zip(
            rows, rewards, output["is_last_step"] if in_steps else [True] * len(rewards), strict=True
        ):
            if is_last:
                total = sum(reward) if isinstance(reward, Sequence) else reward
                groups[self._tasks[int(row.instance_id)]].append(total)
        self._feed.report(groups)
        self.all_metrics |= {f"selector/{name}": value for name, value in self._feed.figures.items()}
        return output


class _Batches:
    """In the place of SkyRL's data loader: an epoch has as many batches as it would have, none drawn ahead."""

    def __init__(self, rows: Any, tasks: Sequence[str], feed: TaskFeed, batches: int):
        self._rows, self._feed, self._batches = rows, feed, batches
        self._row_of = {task: row for row, task in enumerate(tasks)}

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[Any]:
        for _ in range(self._batches - self._feed.state()["drawn"] % self._batches):
            yield self._rows.collate_fn([self._rows[self._row_of[task]] for task in self._feed.batch()])

    def state_dict(self) -> dict[str, Any]:
        return self._feed.state()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._feed.restore(state)
