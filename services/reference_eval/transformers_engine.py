"""Generation by transformers."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedTokenizerBase,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from services.reference_eval.config import Model, Sampling, TransformersEngine


class Transformers:
    """A model in transformers, on one device."""

    def __init__(
        self, config: TransformersEngine, model: Model, sampling: Sampling, tokenizer: PreTrainedTokenizerBase
    ):
        self._device = config.device
        if self._device == "auto":
            self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._sampling = sampling
        self._tokenizer = tokenizer
        loaded: Any = AutoModelForCausalLM.from_pretrained(model.path, dtype=model.dtype)
        self._model = loaded.to(self._device).eval()
        self._ends = _ids(self._model.generation_config.eos_token_id) | _ids(tokenizer.eos_token_id)
        # The checkpoint's own idea of sampling, such as a repetition penalty, would be mixed in.
        self._model.generation_config = GenerationConfig()
        text_config = self._model.config.get_text_config()
        self.context: float = getattr(text_config, "max_position_embeddings", math.inf)

    @torch.inference_mode()
    def generate(self, prompts: Sequence[Sequence[int]], seeds: Sequence[int]) -> list[list[str]]:
        """See `Engine`."""
        samples = self._sampling.samples
        longest = max(map(len, prompts))
        padding = min(self._ends, default=0)
        ids = [[padding] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        output = self._model.generate(
            input_ids=torch.tensor(ids, device=self._device).repeat_interleave(samples, dim=0),
            attention_mask=torch.tensor(mask, device=self._device).repeat_interleave(samples, dim=0),
            generation_config=GenerationConfig(
                max_new_tokens=self._sampling.max_tokens,
                eos_token_id=sorted(self._ends) or None,
                pad_token_id=padding,
            ),
            logits_processor=self._sampled(seeds),
        )
        texts = [self._text(completion) for completion in output[:, longest:].tolist()]
        return [texts[first : first + samples] for first in range(0, len(texts), samples)]

    def _sampled(self, seeds: Sequence[int]) -> LogitsProcessorList:
        """What makes sampling of the greedy search: the largest score is then a draw."""
        sampling = self._sampling
        return LogitsProcessorList(
            [
                TemperatureLogitsWarper(sampling.temperature),
                TopPLogitsWarper(sampling.top_p),
                _Draws(seeds, sampling.samples, self._device),
            ]
        )

    def _text(self, completion: list[int]) -> str:
        end = next((place for place, token in enumerate(completion) if token in self._ends), None)
        text = self._tokenizer.decode(completion[:end], skip_special_tokens=True)
        assert isinstance(text, str)
        return text


class _Draws(LogitsProcessor):
    """Adds Gumbel noise: the argmax of log-weights + noise is a draw in proportion to the weights.

    Every prompt has a generator of its own, so what it draws does not depend on the batch that it is in; torch's
    own sampling has one for all rows.
    """

    def __init__(self, seeds: Sequence[int], samples: int, device: str):
        self._samples = samples
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores (rows, vocabulary) with noise; `samples` rows belong to each prompt."""
        noise = torch.empty_like(scores)
        for rows, generator in zip(noise.split(self._samples), self._generators, strict=True):
            rows.exponential_(generator=generator)
        return scores - noise.log()


def _ids(ids: Any) -> set[int]:
    if ids is None:
        return set()
    return {ids} if isinstance(ids, int) else set(ids)
