"""The little model: its tokens, its architecture, and supervised training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from services.demo.tasks import DemoTask

PAD, END = "<pad>", "<end>"
IGNORED_LABEL = -100


@dataclass(frozen=True)
class Architecture:
    """What a little model reads and writes, and how large it is: `width` is that of its hidden states."""

    tokens: tuple[str, ...]
    width: int
    layers: int

    @property
    def vocabulary(self) -> list[str]:
        """All tokens; padding is token 0 and the end 1."""
        return [PAD, END, *self.tokens]


WORDS_AND_LISTS = Architecture(
    (*"BPSKR<>:=", *"abcdefghijklmnopqrstuvwxyz", *map(str, range(100))), width=64, layers=2
)
GRIDS_AND_SUMS = Architecture((*"SRD:,+-=", *"0123456789"), width=96, layers=2)
ARCHITECTURES = {"words and lists": WORDS_AND_LISTS, "grids and sums": GRIDS_AND_SUMS}


BATCH = 128
BATCHES_SORTED = 8
LEARNING_RATE = 3e-3
WARMUP_STEPS = 100
VALIDATE_EVERY = 50


def make_tokenizer(architecture: Architecture = WORDS_AND_LISTS) -> PreTrainedTokenizerFast:
    """One token a letter, sign, or number that the model knows; spaces only part numbers."""
    ids = {token: index for index, token in enumerate(architecture.vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=PAD))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\s"), "removed"),
            pre_tokenizers.Split(Regex(r"\d+|\D"), "isolated"),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, padding_side="left"
    )


def make_model(architecture: Architecture = WORDS_AND_LISTS) -> LlamaForCausalLM:
    """A fresh transformer."""
    vocabulary = architecture.vocabulary
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=architecture.width,
            intermediate_size=2 * architecture.width,
            num_hidden_layers=architecture.layers,
            num_attention_heads=4,
            max_position_embeddings=64,
            initializer_range=0.05,
            tie_word_embeddings=True,
            pad_token_id=vocabulary.index(PAD),
            bos_token_id=vocabulary.index(END),
            eos_token_id=vocabulary.index(END),
        )
    )


def teach(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    examples: Sequence[DemoTask],
    validation: Sequence[DemoTask],
    checkpoints: Mapping[float, Path],
    max_steps: int,
) -> Iterator[tuple[int, float]]:
    """Train on the examples' targets; yields (step, validation accuracy) as it goes.

    Accuracy is the mean probability of a target. The model is saved, with its tokenizer, to the folder of each
    accuracy in `checkpoints` when it is first reached, and training ends with the last of them. Raises RuntimeError
    if `max_steps` do not get there.
    """
    ids, labels, lengths = _encode(tokenizer, examples)
    held_ids, held_labels, _ = _encode(tokenizer, validation)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARMUP_STEPS))
    waiting = sorted(checkpoints.items())
    for step, rows in zip(range(1, max_steps + 1), _batches(lengths), strict=False):
        longest = int(lengths[rows].max())
        loss = _token_losses(model, ids[rows, :longest], labels[rows, :longest]).sum()
        loss = loss / (labels[rows] != IGNORED_LABEL).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        warmup.step()
        if step % VALIDATE_EVERY == 0:
            with torch.no_grad():
                losses = _token_losses(model, held_ids, held_labels).sum(dim=1)
            accuracy = torch.exp(-losses).mean().item()
            while waiting and accuracy >= waiting[0][0]:
                folder = waiting.pop(0)[1]
                model.save_pretrained(folder)
                tokenizer.save_pretrained(folder)
            yield step, accuracy
            if not waiting:
                return
    raise RuntimeError(f"{max_steps} steps of supervised training did not reach accuracy {waiting[0][0]}")


def _encode(
    tokenizer: PreTrainedTokenizerFast, tasks: Sequence[DemoTask]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token ids and labels, padded on the right, and lengths; prompts and padding have no label."""
    prompts = tokenizer([task.prompt for task in tasks])["input_ids"]
    targets = tokenizer([task.target + END for task in tasks])["input_ids"]
    lengths = torch.tensor(
        [len(prompt) + len(target) for prompt, target in zip(prompts, targets, strict=True)]
    )
    ids = torch.zeros((len(tasks), int(lengths.max())), dtype=torch.int64)  # padding
    labels = torch.full_like(ids, IGNORED_LABEL)
    for row, (prompt, target) in enumerate(zip(prompts, targets, strict=True)):
        ids[row, : len(prompt) + len(target)] = torch.tensor(prompt + target)
        labels[row, len(prompt) : len(prompt) + len(target)] = torch.tensor(target)
    return ids, labels, lengths


def _batches(lengths: torch.Tensor) -> Iterator[torch.Tensor]:
    """Rows drawn uniformly, without end; batches hold rows of like length, so that little is padding."""
    while True:
        drawn = torch.randint(len(lengths), (BATCHES_SORTED * BATCH,))
        by_length = drawn[lengths[drawn].argsort()].view(BATCHES_SORTED, BATCH)
        yield from by_length[torch.randperm(BATCHES_SORTED)]


def _token_losses(model: LlamaForCausalLM, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Negative log-probability of each labelled token, 0 for the others; rows as in `ids`."""
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    return cross_entropy(logits.transpose(1, 2), labels[:, 1:], reduction="none", ignore_index=IGNORED_LABEL)
