"""What TRL does not hand on to the vLLM engine that it makes."""

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
