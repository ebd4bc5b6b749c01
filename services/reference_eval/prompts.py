"""Prompts as tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from selector_api.cli.failures import Failure
from services.task_rows import Prompt

from .config import Model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(model: Model) -> PreTrainedTokenizerBase:
    """The model's tokenizer. Raises `Failure` if there is none at its path."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(model.path)
    except (OSError, ValueError) as error:
        raise Failure(
            f"model.path: got {model.path!r}; no tokenizer can be loaded from there: {error}"
        ) from error


def tokens(prompt: Prompt, tokenizer: PreTrainedTokenizerBase, model: Model) -> list[int]:
    """The prompt's tokens: a text as it is, a chat up to where the model's answer begins.

    Raises `Failure` for a chat if the model has no chat template.
    """
    if isinstance(prompt, str):
        encoded: Any = tokenizer(prompt)
        return encoded["input_ids"]
    if tokenizer.chat_template is None:
        raise Failure(
            f"model.path: {model.path} has no chat template, but the prompts are chats; take a model that was "
            "trained to chat, or tasks whose prompts are text, without a system_prompt"
        )
    text: Any = tokenizer.apply_chat_template(
        prompt, tokenize=False, add_generation_prompt=True, **model.chat_template_arguments
    )
    # The template has put the special tokens where they belong.
    encoded = tokenizer(text, add_special_tokens=False)
    return encoded["input_ids"]
