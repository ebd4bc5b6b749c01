"""What generates completions, a file a kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from services.reference_eval.config import Model, Sampling, TransformersEngine, VllmEngine

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Engine(Protocol):
    """A loaded model that completes prompts."""

    context: float
    """Most tokens of a prompt and its completion together."""

    def generate(self, prompts: Sequence[Sequence[int]], seeds: Sequence[int]) -> list[list[str]]:
        """Each prompt's completions, without special tokens.

        They depend on the prompt's own tokens and seed, not on the other prompts, as far as rounding goes: it
        may differ from batch to batch.
        """
        ...


def load_engine(
    config: TransformersEngine | VllmEngine,
    model: Model,
    sampling: Sampling,
    tokenizer: PreTrainedTokenizerBase,
) -> Engine:
    """Load the model. Raises `Failure` if the engine is not installed."""
    if config.type == "vllm":
        from services.reference_eval.vllm_engine import Vllm

        return Vllm(config, model, sampling)
    from services.reference_eval.transformers_engine import Transformers

    return Transformers(config, model, sampling, tokenizer)
