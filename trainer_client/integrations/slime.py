"""RL by slime on tasks that the selector chooses: two arguments of its command, and the run in the environment.

    SELECTOR_URL=http://selector:8000 SELECTOR_RUN=my-run python train.py ...
        --data-source-path trainer_client.integrations.slime.SelectedDataSource
        --rollout-all-samples-process-path trainer_client.integrations.slime.report

A row of `--prompt-data` has the id that the pool knows its task by in its metadata, as `task`.
"""

# pyright: standard, reportMissingImports=false

import copy
from typing import Any

from slime.rollout.data_source import RolloutDataSourceWithBuffer
from slime.utils.types import Sample

from trainer_client.data_sets import task_ids
from trainer_client.feed import TaskFeed


class SelectedDataSource(RolloutDataSourceWithBuffer):
    """Groups of selected tasks in the place of the next rows; partial rollouts go on from slime's buffer.

    `save` and `load` keep its place with slime's own state. While the service is away it draws for itself, and
    reports wait in `unsent-reports` under `--save`.
    """

    options: dict[str, Any] = {}  # noqa: RUF012 (a subclass gives its own: further arguments of `TaskFeed`)

    def __init__(self, args: Any):
        super().__init__(args)
        tasks = task_ids(row.metadata.get("task") for row in self.dataset.origin_samples)
        self._rows = dict(zip(tasks, self.dataset.origin_samples, strict=True))
        given = {"unsent_reports": args.save and f"{args.save}/unsent-reports", **self.options}
        self.feed = TaskFeed(batch_size=args.rollout_batch_size, tasks=tasks, look_ahead=None, **given)
        self.feed.open()

    def get_samples(self, num_samples: int) -> list[list[Sample]]:
        """So many groups: those that wait in the buffer, and a selection for the others."""
        groups = self._get_samples_from_buffer(num_samples)
        missing = num_samples - len(groups)
        return groups + [self._group(task) for task in (self.feed.batch(missing) if missing else [])]

    def save(self, rollout_id: int) -> None:
        """As slime's, with the feed's place in its metadata."""
        self.feed.expect_reports(f"give --rollout-all-samples-process-path {__name__}.report")
        self.metadata["selector"] = self.feed.state()
        super().save(rollout_id)

    def load(self, rollout_id: int | None = None) -> None:
        """Go on from what `save` wrote. Rollouts that were in the buffer are lost; their tasks are dropped."""
        super().load(rollout_id)
        if "selector" in self.metadata:
            self.feed.restore(self.metadata["selector"])

    def _group(self, task: str) -> list[Sample]:
        group = [copy.deepcopy(self._rows[task]) for _ in range(self.args.n_samples_per_prompt)]
        for sample in group:
            sample.metadata["task"] = task
            sample.group_index, sample.index = self.sample_group_index, self.sample_index
            self.sample_index += 1
        self.sample_group_index += 1
        return group


def report(args: Any, all_samples: list[list[Any]], data_source: Any) -> None:
    """Report a rollout's finished groups, before any filter; those it leaves unfinished for good are dropped."""
    feed = data_source.__self__.feed  # slime hands over its method `get_samples`
    feed.report_groups(_told(args, group) for group in all_samples)
    if not args.partial_rollout:
        feed.end()


def _told(args: Any, group: list[Any]) -> tuple[str, list[Any]]:
    samples = [sample for part in group for sample in (part if isinstance(part, list) else [part])]
    task, lost = samples[0].metadata["task"], (Sample.Status.ABORTED, Sample.Status.FAILED)
    return task, [None if s.status in lost or s.reward is None else s.get_reward_value(args) for s in samples]
