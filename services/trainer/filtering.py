"""DAPO's dynamic sampling (arXiv 2503.14476, section 3.2): only groups whose rewards differ are trained on."""

from typing import Any

import torch
from torch.nn.functional import pad

from services.trainer.pod_trainer import PodTrainer

Batch = dict[str, Any]


class FilteringTrainer(PodTrainer):
    """A `PodTrainer` that goes on selecting in a step until it has a batch of groups with variance.

    Everything that was rolled out is reported and recorded, so its cost is seen. After `max_rounds` batches the
    step is filled up with groups without variance, which have no gradient. For one process alone.
    """

    def __init__(self, *args: Any, max_rounds: int, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._max_rounds = max_rounds

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Batch:
        """Rounds of select, roll out and report; then one batch of the usual size."""
        assert self.model is not None
        assert self.num_generations is not None
        if not self.model.training:
            return super()._generate_and_score_completions(inputs)
        wanted = len(inputs)
        effective: list[Batch] = []
        filler: list[Batch] = []
        for _ in range(self._max_rounds):
            batch = super()._generate_and_score_completions(inputs)
            rewards = self._outcomes.view(-1, self.num_generations)
            differ = (rewards != rewards[:, :1]).any(dim=1).repeat_interleave(self.num_generations)
            effective.append(rows(batch, differ))
            filler = [rows(batch, ~differ)]
            if sum(map(size, effective)) >= wanted:
                break
        pad_token = self._tokenizer.pad_token_id
        assert isinstance(pad_token, int)
        return joined(effective + filler, wanted, pad_token)


def size(batch: Batch) -> int:
    """How many rollouts a batch has."""
    return len(batch["completion_ids"])


def rows(batch: Batch, chosen: torch.Tensor) -> Batch:
    """The chosen rollouts (a boolean for each) of a batch; what is not by rollout stays."""
    return {
        name: value[chosen] if isinstance(value, torch.Tensor) and value.dim() else value
        for name, value in batch.items()
    }


def joined(batches: list[Batch], wanted: int, pad_token: int) -> Batch:
    """The first `wanted` rollouts of some batches as one; prompts are padded on the left, the rest on the right."""
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
        whole[name] = torch.cat(parts)[:wanted]
    whole["num_items_in_batch"] = whole["completion_mask"].sum()
    return whole
