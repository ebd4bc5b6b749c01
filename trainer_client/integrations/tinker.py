"""RL by tinker-cookbook on tasks that the selector chooses: what a recipe's `RLDatasetBuilder` returns.

groups = {problem.id: ProblemGroupBuilder(...) for problem in problems}
return SelectedDataset(groups, batch_size=32, batches=200, log_path=log_path, run="my-run"), test_dataset
"""

# pyright: standard, reportMissingImports=false

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

from tinker_cookbook.rl.types import EnvGroupBuilder, RLDataset, Trajectory, TrajectoryGroup

from trainer_client.gathering import GatheredBatch, Gathering
from trainer_client.groups import Reward


class SelectedDataset(RLDataset):
    """A selection for each batch of tinker-cookbook's loop; its groups are reported before any filter.

    Args:
        groups: by the id that the pool has for their task.
        batches: of the whole training.
        log_path: the one of the training's `Config`; `selector.jsonl` and `unsent-reports` stand there.
        outcome: what is reported of a rollout, given its total reward; None or NaN: it was not scored.
        options: `batch_size` and further arguments of `TaskFeed`. With an `AsyncConfig` give `look_ahead`.
    """

    def __init__(
        self,
        groups: Mapping[str, EnvGroupBuilder],
        *,
        batches: int,
        log_path: str | PathLike[str],
        outcome: Callable[[Trajectory, float], Reward] | None = None,
        **options: Any,
    ):
        self._groups, self._batches, self._outcome = groups, batches, outcome
        self._gathering = Gathering(log_path, batches, tasks=[*groups], **options)
        self.close = self._gathering.close

    def __len__(self) -> int:
        return self._batches

    def get_batch(self, index: int) -> list[EnvGroupBuilder]:
        """The next batch."""
        batch = self._gathering.next(index)
        return [SelectedGroup(self._groups[task], task, batch, self._outcome) for task in batch.tasks]


@dataclass
class SelectedGroup(EnvGroupBuilder):
    """A task's group, which tells its batch what came of it."""

    group: EnvGroupBuilder
    task: str
    batch: GatheredBatch
    outcome: Callable[[Trajectory, float], Reward] | None

    async def make_envs(self) -> Any:
        """The task's own."""
        return await self.group.make_envs()

    async def compute_group_rewards(self, trajectory_group: list[Trajectory], env_group: Any) -> Any:
        """The task's own, and told, together with what each step gave."""
        of_group = await self.group.compute_group_rewards(trajectory_group, env_group)
        totals = TrajectoryGroup(trajectory_group, [reward for reward, _ in of_group], []).get_total_rewards()
        self.batch.tell(self.task, map(self.outcome, trajectory_group, totals) if self.outcome else totals)
        return [(reward, {**metrics, **self.batch.logged}) for reward, metrics in of_group]

    async def cleanup(self) -> None:
        """The task's own. A group that failed is told as dropped, unless the training ends with it."""
        self.batch.end(self.task)
        await self.group.cleanup()

    def logging_tags(self) -> list[str]:
        """The task's own."""
        return self.group.logging_tags()
