"""TRL's scored batches, put together anew: some of their rollouts, several as one, those of all processes."""

# TRL and what it stands on have few types.
# pyright: standard

from collections.abc import Sequence
from typing import Any

import torch
from accelerate.utils import gather_object
from torch.nn.functional import pad

Batch = dict[str, Any]
"""What TRL makes of a generation: tensors with a row a rollout, and a few values that are not by rollout."""


def rows(batch: Batch, chosen: torch.Tensor | slice) -> Batch:
    """The chosen rollouts (a boolean for each, or a slice) of a batch; what is not by rollout stays."""
    return {
        name: value[chosen] if isinstance(value, torch.Tensor) and value.dim() else value
        for name, value in batch.items()
    }


def joined(batches: Sequence[Batch], pad_token: int) -> Batch:
    """The rollouts of some batches as one; prompts are padded on the left, the rest on the right."""
    whole: Batch = {}
    for name, value in batches[0].items():
        if not isinstance(value, torch.Tensor) or not value.dim():
            continue
        parts = [batch[name] for batch in batches]
        if value.dim() > 1:
            width = max(part.shape[1] for part in parts)
            filling = pad_token if name.endswith("_ids") else 0
            left = name.startswith("prompt_")
            parts = [
                pad(part, (width - part.shape[1], 0) if left else (0, width - part.shape[1]), value=filling)
                for part in parts
            ]
        whole[name] = torch.cat(parts)
    return whole


def of_all_processes(batch: Batch, pad_token: int) -> Batch:
    """The rollouts of every process as one batch, in the order of the processes. Every process calls this."""
    tensors = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor)}
    device = next(iter(tensors.values())).device
    parts = gather_object([{name: value.cpu() for name, value in tensors.items()}])
    return {name: value.to(device) for name, value in joined(parts, pad_token).items()}


def share_of(whole: Batch, process: int, processes: int) -> Batch:
    """One process's rollouts of a batch of all, with the number of tokens that the loss is taken over."""
    share = len(whole["completion_ids"]) // processes
    return {
        **rows(whole, slice(process * share, (process + 1) * share)),
        "num_items_in_batch": whole["completion_mask"].sum(),
    }
