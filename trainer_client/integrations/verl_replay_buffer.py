"""verl from 0.9 on tells the selector its rewards: a replay buffer, beside the data set of `verl_dataset`.

    trainer.v1.sampler.custom_sampler.path=pkg://trainer_client.integrations.verl_replay_buffer
    trainer.v1.sampler.custom_sampler.name=ServiceReplayBuffer

verl's filter of groups is its own replay buffer's, and throws groups away before anyone sees them; so it cannot be
used with this one, nor can the trainers that draw tasks ahead.
"""

# pyright: standard, reportMissingImports=false

from collections.abc import Callable
from typing import Any

import transfer_queue
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer
from verl.utils.dataset.rl_dataset import get_dataset_class

from trainer_client.integrations.verl_dataset import ServiceDataset


class ServiceReplayBuffer(ReplayBuffer):
    """verl's replay buffer, which reports what it hands to the training. Evaluations pass through.

    Raises:
        ValueError: a setting does not go with the selector.
    """

    def __init__(self, *, refill_fn: Callable[[int], int], **options: Any):
        super().__init__(refill_fn=refill_fn, **options)
        self._trainer: Any = refill_fn.__self__  # pyright: ignore[reportFunctionMemberAccess]
        _refuse(self._trainer.config)

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> tuple[Any, dict[str, Any]]:
        """The rollouts of a step, reported."""
        batch, metrics = super().sample(global_steps, partition_id, batch_size)
        if partition_id == "val":
            return batch, metrics
        selected = self._trainer.train_dataset.selected
        fields = ["extra_info", "rm_scores"]
        data = transfer_queue.kv_batch_get(batch.keys, partition_id=partition_id, select_fields=fields)
        rewards = data["rm_scores"].sum(dim=1).tolist()
        # A rollout may have several parts, each with its reward: uid_rollout_part.
        rows = dict(zip((key.rpartition("_")[0] for key in batch.keys), range(len(rewards)), strict=True))
        infos = list(data["extra_info"])
        selected.report([infos[row] for row in rows.values()], [rewards[row] for row in rows.values()])
        return batch, {**metrics, **selected.feed.logged}


def _refuse(config: Any) -> None:
    """Refuse what would go wrong later, or silently."""
    mode = config.trainer.v1.trainer_mode
    if mode != "sync":
        raise ValueError(f"trainer.v1.trainer_mode: got {mode!r}, which draws tasks ahead; it must be 'sync'")
    filter_groups = config.algorithm.get("filter_groups")
    if filter_groups and filter_groups.get("enable"):
        raise ValueError(
            "algorithm.filter_groups.enable: got true; verl's filter throws groups away before they can be "
            "reported, so it must be false. Policy 'signal' of the run draws fewer tasks without variance"
        )
    reward_model = config.reward.reward_model
    if reward_model.enable and not reward_model.enable_resource_pool:
        raise ValueError(
            "reward.reward_model.enable_resource_pool: got false; rewards come after the replay buffer then, so it "
            "must be true"
        )
    if not issubclass(get_dataset_class(config.data), ServiceDataset):
        raise ValueError(
            "data.custom_cls: it must be ServiceDataset of trainer_client.integrations.verl_dataset"
        )
