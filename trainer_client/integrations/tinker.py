"""RL by tinker-cookbook on tasks that the selector chooses: what a recipe's `RLDatasetBuilder` returns.

groups = {problem.id: ProblemGroupBuilder(...) for problem in problems}
return SelectedDataset(groups, batch_size=32, batches=200, log_path=log_path, run="my-run"), test_dataset
"""

# pyright: standard, reportMissingImports=false

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tinker_cookbook.rl.types import Env, EnvGroupBuilder, Metrics, RLDataset, Trajectory

from trainer_client.feed import TaskFeed
from trainer_client.gathering import GatheredBatch
from trainer_client.groups import Reward


def total_reward(trajectory: Trajectory, total: float) -> Reward:
    """What tinker-cookbook trains on: the rewards of a rollout's steps and that of its group, summed."""
    return total


class SelectedDataset(RLDataset):
    """A selection for each batch of tinker-cookbook's loop; its groups are reported before any filter.

    The loop's checkpoints hold its step and nothing else, so what a resume needs besides stands in `selector.jsonl`
    beside them. Reports wait in `unsent-reports` while the service is away.

    Args:
        groups: by the id that the pool has for their task.
        batch_size: groups in a batch.
        batches: of the whole training.
        log_path: the one of the training's `Config`.
        outcome: what is reported of a rollout, given its total reward; None or NaN: it was not scored.
        options: further arguments of `TaskFeed`. With an `AsyncConfig` give `look_ahead`.

    Raises:
        DataSetMismatch: the run's pool lacks a task.
        SelectorError: the service refuses.
    """

    def __init__(
        self,
        groups: Mapping[str, EnvGroupBuilder],
        *,
        batch_size: int,
        batches: int,
        log_path: str | Path,
        outcome: Callable[[Trajectory, float], Reward] = total_reward,
        **options: Any,
    ):
        self._groups, self._batches, self._outcome = groups, batches, outcome
        self._states = Path(log_path) / "selector.jsonl"
        unsent = Path(log_path) / "unsent-reports"
        self._feed = TaskFeed(batch_size=batch_size, tasks=[*groups], unsent_reports=unsent, **options)
        self._feed.open()
        self._next: int | None = None
        self._open: list[GatheredBatch] = []

    def __len__(self) -> int:
        return self._batches

    def get_batch(self, index: int) -> list[EnvGroupBuilder]:
        """The next batch: the one where the training begins, and then one after the other."""
        if self._next is None:
            self._feed.restore(self._state_before(index))
        elif index != self._next:
            raise ValueError(
                f"get_batch: got {index}, but {self._next} is next: batches are drawn once, in order"
            )
        self._next = (index + 1) % self._batches
        self._open = [batch for batch in self._open if not batch.report()]
        self._open.append(batch := GatheredBatch(self._feed))
        with self._states.open("a") as lines:
            lines.write(json.dumps({"index": index, "feed": self._feed.state()}) + "\n")
        figures = {f"selector/{name}": value for name, value in self._feed.figures.items()}
        return [
            SelectedGroup(task, self._groups[task], batch, self._outcome, figures) for task in batch.tasks
        ]

    def close(self) -> None:
        """End what is left of the last batch, if groups of it failed; otherwise its lease does."""
        for batch in self._open:
            batch.report()
        self._feed.close()

    def _state_before(self, index: int) -> dict[str, Any]:
        """The feed when the batch before this one was drawn. Batches after it, whose rollouts are lost, are not."""
        lines = map(json.loads, self._states.read_text().splitlines() if self._states.exists() else [])
        states = [line["feed"] for line in lines if line["index"] == (index - 1) % self._batches]
        return (
            states[-1] if states else {"drawn": index, "position": 0, "of": 0, "selection": None, "run": None}
        )


class SelectedGroup(EnvGroupBuilder):
    """A task's group, which tells its batch what came of it."""

    def __init__(
        self,
        task: str,
        group: EnvGroupBuilder,
        batch: GatheredBatch,
        outcome: Callable[[Trajectory, float], Reward],
        figures: Metrics,
    ):
        self._task, self._group, self._batch, self._outcome, self._figures = (
            task,
            group,
            batch,
            outcome,
            figures,
        )

    async def make_envs(self) -> Sequence[Env]:
        """The task's own."""
        return await self._group.make_envs()

    async def compute_group_rewards(
        self, trajectory_group: list[Trajectory], env_group: Sequence[Env]
    ) -> list[tuple[float, Metrics]]:
        """The task's own, and told, together with what each step gave."""
        of_group = await self._group.compute_group_rewards(trajectory_group, env_group)
        totals = [
            sum(step.reward for step in trajectory.transitions) + reward
            for trajectory, (reward, _) in zip(trajectory_group, of_group, strict=True)
        ]
        self._batch.tell(self._task, [*map(self._outcome, trajectory_group, totals)])
        return [(reward, {**metrics, **self._figures}) for reward, metrics in of_group]

    async def cleanup(self) -> None:
        """The task's own. A group that failed is told as dropped, unless the training ends with it."""
        error = sys.exception()
        if error is None or isinstance(error, Exception):
            self._batch.fail(self._task, type(error).__name__ if error else "not graded")
        await self._group.cleanup()

    def logging_tags(self) -> list[str]:
        """The task's own."""
        return self._group.logging_tags()
