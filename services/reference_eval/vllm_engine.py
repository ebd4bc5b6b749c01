"""Generation by vLLM."""

import os
from collections.abc import Sequence
from typing import Any

from services.models.vllm import require_vllm
from services.reference_eval.config import Model, Sampling, VllmEngine


class Vllm:
    """A model in vLLM. Raises `Failure` if vLLM is not installed."""

    def __init__(self, config: VllmEngine, model: Model, sampling: Sampling):
        # An engine core in a process of its own outlives a kill of this one, and keeps the GPU.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        require_vllm("engine.type: vllm is not installed")
        import vllm  # pyright: ignore[reportMissingImports] - has wheels for each kind of machine

        self._vllm: Any = vllm
        self._sampling = sampling
        self._llm: Any = vllm.LLM(
            model.path,
            dtype=model.dtype,
            gpu_memory_utilization=config.gpu_memory_utilization,
            tensor_parallel_size=config.tensor_parallel,
            max_model_len=config.max_model_length,
            enforce_eager=config.enforce_eager,
        )
        self.context: float = self._llm.model_config.max_model_len

    def generate(self, prompts: Sequence[Sequence[int]], seeds: Sequence[int]) -> list[list[str]]:
        """See `Engine`."""
        sampling = self._sampling
        parameters = [
            self._vllm.SamplingParams(
                n=sampling.samples,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens,
                seed=seed,
            )
            for seed in seeds
        ]
        results = self._llm.generate(
            [{"prompt_token_ids": list(prompt)} for prompt in prompts], parameters, use_tqdm=False
        )
        return [[completion.text for completion in result.outputs] for result in results]
