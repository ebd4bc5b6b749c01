"""Trinity-RFT on tasks that the selector chooses: a data selector, and the operator that tells it the rewards.

    operators: [{name: trainer_client.integrations.trinity.GroupRewards}]    # before any filter
    data_selector:
      selector_type: trainer_client.integrations.trinity.ServiceSelector
      kwargs: {url: "http://selector:8000", run: my-run, column: id}

`column` has each row's id in the pool; without it, that is the row's number, from 0, as text. The other `kwargs`
are those of `TaskFeed`. The explorer reads `sync_interval` batches before it reports the first.
"""

# Trinity-RFT has few types, and is not where types are checked.
# pyright: basic, reportMissingImports=false

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from trinity.buffer.operators.mappers.pass_rate_calculator import PassRateCalculator
from trinity.buffer.selector.selector import BaseSelector
from trinity.common.constants import SELECTOR_METRIC

from trainer_client.data_sets import task_ids
from trainer_client.feed import TaskFeed
from trainer_client.groups import Reward


class ServiceSelector(BaseSelector):
    """Trinity-RFT's data selector; its state is in the explorer's checkpoint.

    Tasks without a rollout are dropped.
    """

    def __init__(self, data_source: Any, config: Any):
        super().__init__(data_source, config)
        options = {"batch_size": 1, "look_ahead": None, **config.kwargs}
        column = options.pop("column", None)
        self._tasks = task_ids(data_source.dataset[column] if column else range(data_source.dataset_size))
        self._rows = {task: row for row, task in enumerate(self._tasks)}
        self._feed = TaskFeed(**options, tasks=self._tasks)
        self._feed.open()

    def get_indices(self, batch_size: int, return_extra_info: bool = False) -> Any:
        """The rows of the next batch."""
        rows = [self._rows[task] for task in self._feed.batch(batch_size)]
        return (rows, {}) if return_extra_info else rows

    def feedback(self, indices: Sequence[int], values: Sequence[Sequence[Reward]]) -> None:
        """Report a batch: the rewards of each row's rollouts, as `GroupRewards` gives them."""
        if any(isinstance(value, float) for value in values):
            raise ValueError(
                f"got means, of nobody knows how many rollouts: use the operator {__name__}.GroupRewards"
            )
        self._feed.report(dict(zip((self._tasks[row] for row in indices), values, strict=True)), final=True)

    def state_dict(self) -> dict[str, Any]:
        """What the explorer's checkpoint holds."""
        self._feed.expect_reports(f"put {__name__}.GroupRewards first in the pipeline's operators")
        return self._feed.state()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from there; at a start Trinity-RFT gives it what other selectors begin with."""
        if "drawn" in state_dict:
            self._feed.restore(state_dict)


class GroupRewards(PassRateCalculator):
    """Trinity-RFT's `pass_rate_calculator`, with each rollout's reward (that of its last step), not their mean."""

    def process(self, exps: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """The experiences as they are, and the metrics."""
        exps, metrics = super().process(exps)
        rewards: dict[tuple[int, int], dict[str, Reward]] = defaultdict(dict)
        for exp in sorted(exps, key=lambda exp: exp.eid.step):
            index = exp.info["task_index"]
            rewards[index["taskset_id"], index["index"]][exp.eid.rid] = exp.reward
        for taskset, told in metrics[SELECTOR_METRIC].items():
            told["values"] = [list(rewards[taskset, row].values()) for row in told["indices"]]
        return exps, metrics
