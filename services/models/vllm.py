"""Whether vLLM is here."""

import importlib.util

from services.command_line.failures import Failure


def require_vllm(otherwise: str) -> None:
    """Raise `Failure` if vLLM is not installed, saying this and how to get it."""
    if importlib.util.find_spec("vllm") is None:
        raise Failure(
            f"{otherwise}: pip install 'bots-selector[vllm]', see https://docs.vllm.ai for the wheels of other "
            "machines, or take the engine {type: transformers}"
        )
