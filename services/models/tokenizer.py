"""Prompts as tokens, the same in training and in reference evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from services.command_line.failures import Failure
from services.task_files.tasks import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(path: str) -> PreTrainedTokenizerBase:
    """A model's tokenizer, padding on the left. Raises `Failure` if there is none at its path."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
    except (OSError, ValueError) as error:
        raise Failure(f"model.path: got {path!r}; no tokenizer can be loaded from there: {error}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def tokens(
    prompt: Prompt, tokenizer: PreTrainedTokenizerBase, template_arguments: Mapping[str, Any]
) -> list[int]:
    """The prompt's tokens: a text as it is, a chat up to where the model's answer begins.

    Raises `Failure` for a chat if the model has no chat template.
    """
    if isinstance(prompt, str):
        encoded: Any = tokenizer(prompt)
        return encoded["input_ids"]
    if tokenizer.chat_template is None:
        raise Failure(
            "model.path: the model has no chat template, but the prompts are chats; take a model that was trained "
            "to chat, or tasks whose prompts are text, without a system_prompt"
        )
    text: Any = tokenizer.apply_chat_template(
        prompt, tokenize=False, add_generation_prompt=True, **template_arguments
    )
    # The template has put the special tokens where they belong.
    encoded = tokenizer(text, add_special_tokens=False)
    return encoded["input_ids"]
