"""The configuration of a reference evaluation.

What it says of models, engines and sampling is in services/models/config.py, as far as trainings say it too.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from services.command_line.configuration import Section
from services.models import config
from services.models.config import Dtype, MemoryShare
from services.rewards import Reward, RewardThreads
from services.task_files.tasks import TaskSource
from trainer_client import RewardScale

Name = Annotated[str, Field(min_length=1, max_length=256)]


class Model(config.Model):
    """The model that is measured."""

    dtype: Dtype = Field(
        default="auto",
        description="Type of the weights; auto: the engine's choice, mostly that of the checkpoint.",
    )


class TransformersEngine(config.TransformersEngine):
    """Generation by transformers."""

    batch: PositiveInt = Field(default=8, description="Prompts at once, each with all its samples.")
    device: str = Field(
        default="auto", description="A torch device, such as cuda:1; auto: a GPU if there is one."
    )


class VllmEngine(config.VllmEngine):
    """Generation by vLLM."""

    type: Literal["vllm"]
    batch: PositiveInt = Field(
        default=256,
        description="Prompts at once, each with all its samples. Their results reach the disk together.",
    )
    gpu_memory_utilization: MemoryShare = 0.9


class Sampling(config.Sampling):
    """How completions are drawn. Measure a reference as the model will be sampled in training."""

    samples: PositiveInt = Field(default=16, description="Completions of each task.")
    seed: NonNegativeInt = Field(
        default=0, description="Each task's samples depend on this seed and the task's id alone."
    )


class RewardRange(Section):
    """Rewards in a range, whose least is worth 0 and whose most is worth 1."""

    type: Literal["range"]
    min: float = 0.0
    max: float = 1.0


class RewardThreshold(Section):
    """Any finite rewards, of which those from a mark on pass."""

    type: Literal["threshold"]
    pass_at: float = Field(description="The least reward that passes.")


class Pool(Section):
    """Where the tasks go when all are measured. The token of the service comes from SELECTOR_TOKEN."""

    url: str = Field(pattern="^https?://", description="Where the service is.")
    pool: Name = Field(description="The pool; it is made if it is not there.")


class ReferenceEvaluation(Section):
    """The whole configuration of `bots measure`."""

    name: Name = Field(description="Name of the reference that is measured, such as qwen2.5-7b.")
    tasks: TaskSource = Field(description="The tasks.")
    reward: Reward = Field(description="How a completion is scored.")
    reward_threads: RewardThreads = 1
    rewards: Annotated[RewardRange | RewardThreshold, Field(discriminator="type")] | None = Field(
        default=None,
        description="Which rewards there are and what they are worth, as `rewards` of a run; null: from 0 to 1. "
        "One outside the range stops the measurement.",
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

    @property
    def scale(self) -> RewardScale:
        """What a reward is worth."""
        return RewardScale.of(self.rewards and self.rewards.model_dump())

    @field_validator("rewards")
    @classmethod
    def _is_a_scale(
        cls, rewards: RewardRange | RewardThreshold | None
    ) -> RewardRange | RewardThreshold | None:
        RewardScale.of(rewards and rewards.model_dump())
        return rewards

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
