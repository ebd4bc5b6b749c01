"""A model so small that a step of GRPO takes a fraction of a second, and tasks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

LETTERS = ["<pad>", "<end>", *"abcdefghijklmnopqrstuvwxyz"]
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,  # of 32 dimensions, the fewest that vLLM has kernels for
    "max_position_embeddings": 64,
    "initializer_range": 0.5,
}


def save_tiny_model(folder: Path, **shape: Any) -> Path:
    """A Llama of one layer with a token a letter, and its tokenizer, as transformers and vLLM load them."""
    torch.manual_seed(0)
    special: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
    config = LlamaConfig(vocab_size=len(LETTERS), **special, **(SHAPE | shape))
    model = LlamaForCausalLM(config)
    tokens = Tokenizer(models.WordLevel({letter: number for number, letter in enumerate(LETTERS)}, "<pad>"))
    tokens.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens, pad_token="<pad>", eos_token="<end>", padding_side="left"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_tasks(path: Path, count: int = 20, first: int = 0) -> Path:
    """Tasks whose prompts are three letters, in two domains, with two references; the answer is a letter."""
    rows = [
        {
            "id": f"task-{number}",
            "domain": "even" if number % 2 == 0 else "odd",
            "prompt": "".join(LETTERS[2 + (number + shift) % 26] for shift in range(3)),
            "answer": LETTERS[2 + number % 26],
            "weak": (number % 5) / 10,
            "strong": 0.5 + (number % 5) / 10,
        }
        for number in range(first, first + count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def passes(completion: str, answer: str) -> float:
    """A reward by chance, but the same for the same completion: half of all letters pass."""
    letters = completion.replace(" ", "")
    return float(bool(letters) and ord(letters[0]) % 2 == ord(answer) % 2)


def trainer_config(folder: Path, url: str, run: str, **changes: Mapping[str, Any]) -> dict[str, Any]:
    """A training of five steps on that model and those tasks; `changes` are merged into its sections."""
    config: dict[str, Any] = {
        "output": str(folder / run),
        "seed": 1,
        "model": {"path": str(folder / "model")},
        "tasks": {
            "file": str(folder / "tasks.jsonl"),
            "id": "id",
            "domain": "domain",
            "references": {"weak": "weak", "strong": "strong"},
        },
        "reward": {"type": "function", "function": "tests.services.tiny:passes"},
        "selector": {
            "url": url,
            "run": run,
            "create": {
                "pool": run,
                "implicit": {"type": "interpolation", "weak": "weak", "strong": "strong"},
            },
        },
        "rollouts": {"max_tokens": 4},
        "training": {
            "steps": 5,
            "prompts": 4,
            "rollouts": 4,
            "device_batch": 8,
            "learning_rate": 0.01,
            "gradient_checkpointing": False,
            "trl": {"disable_tqdm": True},
        },
        "checkpoints": {"every": 2},
    }
    for section, members in changes.items():
        config[section] = {**config.get(section, {}), **members}
    return config
