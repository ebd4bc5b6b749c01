"""verl 0.7 on tasks that the selector chooses: a curriculum sampler.

    data.sampler.class_path=pkg://trainer_client.integrations.verl_sampler
    data.sampler.class_name=ServiceSampler

The settings are in `verl_rows`. Each batch is selected after the one before is reported. verl saves a checkpoint
before it hands the sampler the rewards of its last batch.
"""

# pyright: standard, reportMissingImports=false

from collections.abc import Iterator, Mapping
from typing import Any

from verl.experimental.dataset.sampler import AbstractCurriculumSampler

from trainer_client.integrations.verl_rows import SelectedRows


class ServiceSampler(AbstractCurriculumSampler):
    """verl's sampler of its training data. Its state is in `data.pt` of verl's checkpoints.

    Raises:
        As `SelectedRows`.
    """

    def __init__(self, data_source: Any, data_config: Any):
        batch_size = data_config.get("gen_batch_size", data_config.train_batch_size)
        self._selected = SelectedRows(data_source, data_config, batch_size)
        self._batches = len(data_source) // batch_size

    def __len__(self) -> int:
        return self._batches * self._selected.batch_size

    def __iter__(self) -> Iterator[int]:
        """What is left of an epoch: whole batches, for verl throws away a part of one."""
        left = self._batches - self._selected.feed.state()["drawn"] % self._batches
        for _ in range(left * self._selected.batch_size):
            yield self._selected.next()

    def update(self, batch: Any) -> None:
        """Report a batch, a row a rollout."""
        rewards = batch.batch["token_level_scores"].sum(-1).tolist()
        told = batch.non_tensor_batch
        self._selected.report(told["uid"], told["extra_info"], rewards)

    def state_dict(self) -> dict[str, Any]:
        """What verl's checkpoint holds."""
        return self._selected.feed.state()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._selected.feed.restore(state_dict)
