"""verl from 0.9 on tells the selector its rewards: a replay buffer, beside the data set of `verl_dataset`.

    trainer.v1.sampler.custom_sampler.path=pkg://trainer_client.integrations.verl_replay_buffer
    trainer.v1.sampler.custom_sampler.name=ServiceReplayBuffer

Groups that verl's filter throws away are reported first. The trainers that draw tasks ahead cannot be used.
"""

# pyright: standard, reportMissingImports=false

import math
from collections.abc import Callable, Sequence
from typing import Any

import transfer_queue
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer
from verl.utils.dataset.rl_dataset import get_dataset_class

from trainer_client.integrations.verl_dataset import ServiceDataset


class ServiceReplayBuffer(ReplayBuffer):
    """verl's replay buffer, which reports what it hands to the training or throws away. Evaluations pass through.

    Raises:
        ValueError: a setting does not go with the selector.
    """

    def __init__(self, *, refill_fn: Callable[[int], int], **options: Any):
        self._trainer: Any = refill_fn.__self__  # pyright: ignore[reportFunctionMemberAccess]
        config = self._trainer.config
        _refuse(config)
        if (
            metric := self._trainer._resolve_filter_groups_metric()
        ):  # verl leaves its filter to custom samplers
            inflight = config.algorithm.filter_groups.get("max_inflight_gen_batches", 1)
            options |= {"filter_groups_metric": metric, "max_inflight_gen_batches": inflight}
            options |= {"train_batch_size": config.data.train_batch_size, "gen_batch_size": 1}
        super().__init__(refill_fn=refill_fn, **options)

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> tuple[Any, dict[str, Any]]:
        """The rollouts of a step, reported."""
        if partition_id == "val":
            return super().sample(global_steps, partition_id, batch_size)
        selected = self._trainer.train_dataset.selected
        if self.filter_groups_metric:
            selected.at_most = math.inf
        batch, metrics = super().sample(global_steps, partition_id, batch_size)
        self._report(batch.keys, partition_id, more=False)
        return batch, {**metrics, **selected.feed.logged}

    def _clear_groups(self, partition_id: str, uids: set[str]) -> None:
        keys = [key for key in self.partitions[partition_id] if key.split("_")[0] in uids]
        if keys and partition_id != "val":
            self._report(keys, partition_id, more=True)
        super()._clear_groups(partition_id, uids)

    def _report(self, keys: Sequence[str], partition_id: str, *, more: bool) -> None:
        fields = ["extra_info", "rm_scores"]
        data = transfer_queue.kv_batch_get(keys, partition_id=partition_id, select_fields=fields)
        # A rollout may have several parts, each with its reward: uid_rollout_part.
        rows = dict(zip((key.rpartition("_")[0] for key in keys), range(len(keys)), strict=True)).values()
        infos, rewards = list(data["extra_info"]), data["rm_scores"].sum(dim=1).tolist()
        uids = [keys[row].split("_")[0] for row in rows]
        told = [infos[row] for row in rows], [rewards[row] for row in rows]
        self._trainer.train_dataset.selected.report(uids, *told, more=more)


def _refuse(config: Any) -> None:
    """Refuse what would go wrong later, or silently."""
    mode = config.trainer.v1.trainer_mode
    if mode != "sync":
        raise ValueError(f"trainer.v1.trainer_mode: got {mode!r}, which draws tasks ahead; it must be 'sync'")
    reward_model = config.reward.reward_model
    if reward_model.enable and not reward_model.enable_resource_pool:
        raise ValueError("reward.reward_model.enable_resource_pool: got false; rewards come too late so")
    if not issubclass(get_dataset_class(config.data), ServiceDataset):
        raise ValueError(
            "data.custom_cls: must be ServiceDataset of trainer_client.integrations.verl_dataset"
        )
