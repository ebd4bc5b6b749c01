"""What TRL leaves out where it makes and updates a vLLM engine in the trainer's process."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from trl.generation import vllm_generation

from services.trainer.config import Engine, VllmColocate


@contextmanager
def engine_options(engine: Engine, seed: int, step: int) -> Iterator[None]:
    """Inside, TRL makes its engine with the `dtype` and `enforce_eager` of the configuration.

    The engine's seed, which TRL makes of the process alone, also depends on the training's `seed` and on the
    `step` that it goes on after; so trainings differ, and one that goes on does not sample the same again.
    """
    module: Any = vllm_generation
    if not isinstance(engine, VllmColocate) or not hasattr(
        module, "LLM"
    ):  # TRL itself says that vllm is missing
        yield
        return
    made_by_trl = module.LLM

    def make_engine(**arguments: Any) -> Any:
        digest = sha256(f"{seed}:{step}:{arguments['seed']}".encode()).digest()
        own = {"dtype": engine.dtype, "enforce_eager": engine.enforce_eager}
        return made_by_trl(**arguments | own | {"seed": int.from_bytes(digest[:4])})

    module.LLM = make_engine
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
