"""What TRL leaves out where it makes and updates a vLLM engine in the trainer's process."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trl.generation import vllm_generation

from .config import Engine, VllmColocate


@contextmanager
def engine_options(engine: Engine) -> Iterator[None]:
    """Inside, TRL makes its engine with the `dtype` and `enforce_eager` of the configuration."""
    module: Any = vllm_generation
    if not isinstance(engine, VllmColocate) or not hasattr(
        module, "LLM"
    ):  # TRL itself says that vllm is missing
        yield
        return
    made_by_trl = module.LLM
    module.LLM = functools.partial(made_by_trl, dtype=engine.dtype, enforce_eager=engine.enforce_eager)
    try:
        yield
    finally:
        module.LLM = made_by_trl


def update_on_cpu(generation: Any) -> None:
    """Let TRL's `VLLMGeneration` update a colocated engine on the CPU by vLLM's own reloading.

    TRL loads tensor by tensor into the engine's parameters, but on a CPU vLLM has packed them into a layout of
    its kernels by then.
    """

    def sync_weights() -> None:
        weights = generation._iter_named_params()
        generation.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})
        generation.llm.reset_prefix_cache()

    generation.sync_weights = sync_weights
