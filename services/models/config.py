"""What trainings and reference evaluations say alike of models, engines and sampling; each adds its own."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from services.command_line.configuration import Section

Dtype = Literal["auto", "bfloat16", "float16", "float32"]
"""What weights are kept in; auto: the engine's choice, mostly that of the checkpoint."""

MemoryShare = Annotated[float, Field(gt=0, le=1, description="Share of the GPU's memory that vLLM takes.")]


class Model(Section):
    """A model."""

    path: str = Field(description="A folder with model and tokenizer, or a name on the Hugging Face hub.")
    chat_template_arguments: dict[str, Any] = Field(
        default={}, description="Further arguments of the chat template, such as `enable_thinking: false`."
    )


class TransformersEngine(Section):
    """Generation by transformers: for small models, and where there is no vLLM."""

    type: Literal["transformers"]


class VllmEngine(Section):
    """Generation by vLLM in this process."""

    tensor_parallel: PositiveInt = Field(default=1, description="GPUs that share the model's layers.")
    max_model_length: PositiveInt | None = Field(
        default=None,
        description="Most tokens of prompt and completion together; null: what the model allows.",
    )
    enforce_eager: bool = Field(
        default=False, description="No compilation and no CUDA graphs: starts sooner, generates slower."
    )


class Sampling(Section):
    """How completions are drawn."""

    temperature: PositiveFloat = Field(default=1.0, description="Divides the logits.")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="Draw from the likeliest tokens of this total probability."
    )
    max_tokens: PositiveInt = Field(
        description="Most tokens of a completion; longer ones are cut and scored so."
    )
