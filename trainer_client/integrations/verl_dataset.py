"""verl from 0.8 on, on tasks that the selector chooses: a data set of its own.

    data.custom_cls.path=pkg://trainer_client.integrations.verl_dataset
    data.custom_cls.name=ServiceDataset

The settings are in `verl_rows`. verl 0.8 tells the data set its rewards, but for those of the last step. verl from
0.9 on does not: see `verl_replay_buffer`.
"""

# pyright: standard, reportMissingImports=false

from collections.abc import Mapping, Sequence
from typing import Any

from verl.utils.dataset.rl_dataset import RLHFDataset

from trainer_client.integrations.verl_rows import SelectedRows


class ServiceDataset(RLHFDataset):
    """verl's data set; that of the training has its rows chosen by the selector, whichever rows are asked for.

    Its state is in `data.pt` of verl's checkpoints. verl makes its data set for evaluations of the same class: that
    is one of other files, and gives the rows that are asked for.

    Raises:
        As `SelectedRows`.
    """

    selected: SelectedRows | None = None

    def __init__(self, data_files: Any, tokenizer: Any, config: Any, **options: Any):
        super().__init__(data_files, tokenizer, config, **options)
        if config.train_files == config.val_files:
            raise ValueError("data.val_files: the same as data.train_files; give the evaluation a copy")
        if data_files == config.train_files:
            at_once = max(config.train_batch_size, config.get("gen_batch_size") or 0)
            self.selected = SelectedRows(self, config, at_once)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """So many rows."""
        selected = self.selected
        return [self[selected.next() if selected else index] for index in indices]

    def on_batch_end(self, batch: Any) -> None:
        """Report a batch, a row a rollout; verl 0.8 calls this after each step but the last."""
        if self.selected:
            rewards = batch.batch["token_level_scores"].sum(-1).tolist()
            told = batch.non_tensor_batch
            self.selected.report(told["uid"], told["extra_info"], rewards)

    def state_dict(self) -> dict[str, Any]:
        """What verl's checkpoint holds."""
        return self.selected.feed.state() if self.selected else {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from there."""
        if self.selected:
            self.selected.feed.restore(state_dict)
