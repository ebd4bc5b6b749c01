"""What a reference evaluation is told: see `ReferenceEvaluation`."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from services.command_line.configuration import Section
from services.rewards import Reward
from services.task_files.tasks import TaskSource

Name = Annotated[str, Field(min_length=1, max_length=256)]


class Model(Section):
    """The model that is measured."""

    path: str = Field(
        description="Folder of the model with its tokenizer, or its name on the Hugging Face Hub."
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        default="auto",
        description="Type of the weights; auto: the engine's choice, mostly that of the checkpoint.",
    )
    chat_template_arguments: dict[str, Any] = Field(
        default={}, description="Further arguments of the chat template, such as `enable_thinking: false`."
    )


class TransformersEngine(Section):
    """Generation by transformers: for small models, or where there is no vLLM."""

    type: Literal["transformers"]
    batch: int = Field(default=8, ge=1, description="Prompts at once, each with all its samples.")
    device: str = Field(
        default="auto", description="A torch device, such as cuda:1; auto: a GPU if there is one."
    )


class VllmEngine(Section):
    """Generation by vLLM."""

    type: Literal["vllm"]
    batch: int = Field(
        default=256,
        ge=1,
        description="Prompts at once, each with all its samples. Their results reach the disk together.",
    )
    gpu_memory_utilization: float = Field(
        default=0.9, gt=0, le=1, description="Share of the GPU's memory that vLLM takes."
    )
    tensor_parallel: int = Field(default=1, ge=1, description="GPUs that share the model's layers.")
    max_model_length: int | None = Field(
        default=None,
        ge=1,
        description="Most tokens of prompt and completion together; null: what the model allows.",
    )
    enforce_eager: bool = Field(
        default=False, description="No compilation and no CUDA graphs: starts sooner, generates slower."
    )


class Sampling(Section):
    """How completions are drawn. Measure a reference as the model will be sampled in training."""

    samples: int = Field(default=16, ge=1, description="Completions of each task.")
    temperature: float = Field(default=1.0, gt=0, description="Divides the logits.")
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="Draw from the likeliest tokens of this total probability."
    )
    max_tokens: int = Field(
        ge=1, description="Most tokens of a completion; longer ones are cut and scored so."
    )
    seed: int = Field(
        default=0, ge=0, description="Each task's samples depend on this seed and the task's id alone."
    )


class Pool(Section):
    """Where the tasks go when all are measured. The token of the service comes from SELECTOR_TOKEN."""

    url: str = Field(pattern="^https?://", description="Where the service is.")
    pool: Name = Field(description="The pool; it is made if it is not there.")


class ReferenceEvaluation(Section):
    """The whole configuration of `python -m services.reference_eval`."""

    name: Name = Field(description="Name of the reference that is measured, such as qwen2.5-7b.")
    tasks: TaskSource = Field(description="The tasks.")
    reward: Reward = Field(description="How a completion is scored.")
    reward_threads: int = Field(
        default=1,
        ge=1,
        description="Completions scored at once. More are faster where scoring starts processes (python-tests); a "
        "function of your own must then be safe to call from several threads.",
    )
    model: Model = Field(description="The model that is measured.")
    engine: Annotated[TransformersEngine | VllmEngine, Field(discriminator="type")] = Field(
        description="What generates."
    )
    sampling: Sampling = Field(description="How completions are drawn.")
    output: Path = Field(
        description="The Parquet file to write: the task file with one more column. Beside it stands the folder "
        "of what is measured so far, OUTPUT.progress."
    )
    column: str | None = Field(
        default=None, min_length=1, description="The new column; null: NAME_pass_rate."
    )
    pool: Pool | None = Field(
        default=None,
        description="Also put the tasks into this pool, with all of `tasks.references` and the new one.",
    )

    @property
    def rate_column(self) -> str:
        """The name of the new column."""
        return self.column or f"{self.name}_pass_rate"

    @property
    def progress(self) -> Path:
        """The folder of what is measured so far."""
        return self.output.with_name(f"{self.output.name}.progress")

    @field_validator("output")
    @classmethod
    def _is_parquet(cls, output: Path) -> Path:
        if output.suffix.lower() != ".parquet":
            raise ValueError("the suffix must be .parquet")
        return output

    @model_validator(mode="after")
    def _is_a_new_reference_in_a_new_file(self) -> Self:
        if self.name in self.tasks.references:
            raise ValueError(f"name: {self.name!r} is one of tasks.references already; give another name")
        if self.output.resolve() == self.tasks.file.resolve():
            raise ValueError(f"output: {self.output} is tasks.file; give another path")
        return self
