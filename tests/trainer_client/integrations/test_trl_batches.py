from __future__ import annotations

import torch

from trainer_client.integrations.trl_batches import Batch, joined, rows, share_of

PAD = 9


def batch(prompt: list[list[int]], completion: list[list[int]], advantages: list[float]) -> Batch:
    completions = torch.tensor(completion)
    return {
        "prompt_ids": torch.tensor(prompt),
        "prompt_mask": (torch.tensor(prompt) != PAD).long(),
        "completion_ids": completions,
        "completion_mask": (completions != PAD).long(),
        "old_per_token_logps": -completions.float(),
        "advantages": torch.tensor(advantages),
        "num_items_in_batch": torch.tensor(99),
    }


def test_prompts_are_padded_on_the_left_and_completions_on_the_right():
    short = batch([[1, 2]], [[3]], [1.0])
    long = batch([[9, 4, 5]], [[6, 7]], [-1.0])
    whole = joined([short, long], PAD)
    assert whole["prompt_ids"].tolist() == [[9, 1, 2], [9, 4, 5]]
    assert whole["prompt_mask"].tolist() == [[0, 1, 1], [0, 1, 1]]
    assert whole["completion_ids"].tolist() == [[3, 9], [6, 7]]
    assert whole["completion_mask"].tolist() == [[1, 0], [1, 1]]
    assert whole["old_per_token_logps"].tolist() == [[-3, 0], [-6, -7]]
    assert whole["advantages"].tolist() == [1, -1]


def test_the_loss_is_taken_over_the_tokens_that_are_left():
    whole = joined([batch([[1], [1]], [[2, 3], [4, PAD]], [1.0, 2.0])], PAD)
    second = share_of(whole, process=1, processes=2)
    assert second["completion_ids"].tolist() == [[4, PAD]]
    assert second["advantages"].tolist() == [2.0]
    assert second["num_items_in_batch"] == 3


def test_rows_are_chosen_in_everything_that_is_by_rollout():
    chosen = rows(batch([[1], [2]], [[3], [4]], [1.0, 2.0]), torch.tensor([False, True]))
    assert chosen["prompt_ids"].tolist() == [[2]]
    assert chosen["advantages"].tolist() == [2]
    assert chosen["num_items_in_batch"] == 99
