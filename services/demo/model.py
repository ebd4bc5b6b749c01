"""The little model: its tokens, its architecture, supervised training, and sampling."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from services.demo.tasks import DemoTask

PAD, END = "<pad>", "<end>"
VOCABULARY = [PAD, END, *"BPSKR<>:=", *"abcdefghijklmnopqrstuvwxyz", *map(str, range(100))]
ANSWER_TOKENS = 12
IGNORED_LABEL = -100

BATCH = 128
BATCHES_SORTED = 8
LEARNING_RATE = 3e-3
WARMUP_STEPS = 100
VALIDATE_EVERY = 50
SAMPLING_BATCH = 128


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token a letter, sign, or number below 100; spaces only part numbers."""
    ids = {token: index for index, token in enumerate(VOCABULARY)}
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


def make_model(weights: Path | None = None) -> LlamaForCausalLM:
    """A transformer of two layers and some ninety thousand parameters: fresh, or with saved weights."""
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=64,
            initializer_range=0.05,
            tie_word_embeddings=True,
            pad_token_id=VOCABULARY.index(PAD),
            bos_token_id=VOCABULARY.index(END),
            eos_token_id=VOCABULARY.index(END),
        )
    )
    if weights is not None:
        model.load_state_dict(torch.load(weights))
    return model


def teach(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    examples: Sequence[DemoTask],
    validation: Sequence[DemoTask],
    checkpoints: Mapping[float, Path],
    max_steps: int,
) -> Iterator[tuple[int, float]]:
    """Train on the examples' targets; yields (step, validation accuracy) as it goes.

    Accuracy is the mean probability of a target. The weights are saved to the path of each accuracy in
    `checkpoints` when it is first reached, and training ends with the last of them. Raises RuntimeError if
    `max_steps` do not get there.
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
                torch.save(model.state_dict(), waiting.pop(0)[1])
            yield step, accuracy
            if not waiting:
                return
    raise RuntimeError(f"{max_steps} steps of supervised training did not reach accuracy {waiting[0][0]}")


@torch.no_grad()
def pass_rates(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    tasks: Sequence[DemoTask],
    samples: int,
    seed: int,
) -> list[float]:
    """Each task's share of `samples` completions at temperature 1 that pass. Leaves the global random state."""
    was_training = model.training
    model.eval()
    sampling = GenerationConfig(
        do_sample=True,
        top_k=0,
        max_new_tokens=ANSWER_TOKENS,
        num_return_sequences=samples,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    rates = [0.0] * len(tasks)
    by_length = sorted(range(len(tasks)), key=lambda index: len(tasks[index].prompt))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for first in range(0, len(tasks), SAMPLING_BATCH):
            chosen = by_length[first : first + SAMPLING_BATCH]
            prompts = tokenizer([tasks[index].prompt for index in chosen], return_tensors="pt", padding=True)
            output = model.generate(  # pyright: ignore[reportAttributeAccessIssue] - it does have it
                input_ids=prompts["input_ids"],
                attention_mask=prompts["attention_mask"],
                generation_config=sampling,
            )
            texts = tokenizer.batch_decode(
                output[:, prompts["input_ids"].shape[1] :], skip_special_tokens=True
            )
            for place, index in enumerate(chosen):
                completions = texts[place * samples : (place + 1) * samples]
                rates[index] = sum(map(tasks[index].passes, completions)) / samples
    model.train(was_training)
    return rates


def _encode(
    tokenizer: PreTrainedTokenizerFast, tasks: Sequence[DemoTask]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token ids and labels, padded on the right, and lengths; prompts and padding have no label."""
    prompts = tokenizer([task.prompt for task in tasks])["input_ids"]
    targets = tokenizer([task.target + END for task in tasks])["input_ids"]
    lengths = torch.tensor(
        [len(prompt) + len(target) for prompt, target in zip(prompts, targets, strict=True)]
    )
    ids = torch.full((len(tasks), int(lengths.max())), VOCABULARY.index(PAD))
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
