"""A verl data set's rows as the selector draws them: what the adapters of verl's versions share.

They read their settings from `data.selector` of verl's configuration:

    +data.selector.run=my-run +data.selector.url=http://selector:8000 data.dataloader_num_workers=0

`column` there is where each row's `extra_info` has the id of its task in the pool: `index`, if nothing is set. The
others are those of `TaskFeed`.
"""

# pyright: standard, reportMissingImports=false

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from trainer_client.data_sets import DataSetMismatch, task_ids
from trainer_client.feed import TaskFeed
from trainer_client.groups import Reward, by_group
from trainer_client.outcomes import id_text


class SelectedRows:
    """The rows of a data set in the order in which a run selects their tasks, a selection and a report a batch.

    Args:
        data_set: an `RLHFDataset` of the training's tasks.
        config: verl's `data`.
        batch_size: tasks in a selection.

    Raises:
        DataSetMismatch: the pool lacks a row's task, or two rows have one id.
        SelectorError: the service is away, or refuses.
        ValueError: a setting does not go with the selector.
    """

    def __init__(self, data_set: Any, config: DictConfig, batch_size: int):
        if workers := config.dataloader_num_workers:
            raise ValueError(f"data.dataloader_num_workers: got {workers}, which read ahead; it must be 0")
        given: Any = OmegaConf.to_object(config.get("selector") or {})
        self._column = given.pop("column", "index")
        self._tasks = task_ids(map(self._id, data_set.dataframe["extra_info"]))
        self._rows = {task: row for row, task in enumerate(self._tasks)}
        self._out: list[str] = []
        self.batch_size = batch_size
        self.at_most: float = batch_size  # rows that may be out, unreported
        self.feed = TaskFeed(batch_size=batch_size, tasks=self._tasks, **{"look_ahead": None, **given})
        self.feed.open()

    def next(self) -> int:
        """The next row."""
        if len(self._out) >= self.at_most:
            raise RuntimeError(
                f"verl asks for another batch, and has reported nothing of the last {len(self._out)} tasks: "
                "this trainer reads ahead, or does not report; docs/how-to/trainers/verl.md says which do"
            )
        self._out.append(self.feed.task())
        return self._rows[self._out[-1]]

    def report(
        self, groups: Iterable[str], infos: Iterable[Any], rewards: Iterable[Reward], *, more: bool = False
    ) -> None:
        """Tell what came of the rows handed out: the group, `extra_info` and reward of each rollout, in any order.

        Unless `more` is to come, rows without a rollout count as dropped; rows with NaN for all rewards always do.
        """
        seen = by_group(groups, (id_text(info[self._column]) for info in infos), rewards)
        left = Counter(self._out) - Counter(task for task, _ in seen)
        self._out = [*left.elements()] if more else []
        self.feed.report_groups(seen if more else seen + [(task, []) for task in left.elements()])

    def _id(self, info: Mapping[str, Any]) -> Any:
        if self._column not in info:
            raise DataSetMismatch(
                f"data.selector.column: extra_info has no {self._column!r}; it has {', '.join(map(repr, info))}"
            )
        return info[self._column]
