"""The configuration of a training; `services/trainer/configs/` has examples.

What it says of models, engines and sampling is in services/models/config.py, as far as evaluations say it too.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from services.command_line.configuration import Section
from services.models import config
from services.models.config import Dtype, MemoryShare, Sampling, TransformersEngine, VllmEngine
from services.rewards import Reward, RewardThreads
from services.task_files.tasks import TaskSource
from trainer_client.resuming import OnRollback


class Lora(Section):
    """Train low-rank adapters (LoRA, arXiv 2106.09685) instead of all weights."""

    rank: PositiveInt = 16
    alpha: PositiveInt = 32
    modules: list[str] | Literal["all-linear"] = Field(
        default="all-linear", description="Which modules get one."
    )


class Model(config.Model):
    """The model that is trained."""

    dtype: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="What the weights are kept in. Updates at a learning rate of 1e-6 vanish in bfloat16.",
    )
    attention: str | None = Field(
        default=None, description='Of transformers, such as "flash_attention_2" or "sdpa".'
    )
    lora: Lora | None = None


class CreateRun(Section):
    """What to make at the selector, unless it is there; needs a token of scope admin, here or with `--make-run`."""

    pool: str = Field(description="Gets the tasks of the section `tasks`.")
    posterior: dict[str, Any] | None = Field(
        default=None,
        description="As in `PUT /runs/{run}`, like the following; null: the defaults, with training.rollouts.",
    )
    implicit: dict[str, Any] | None = None
    policy: dict[str, Any] | None = None
    lease_seconds: PositiveFloat | None = None
    share_leased: bool | None = None
    rewards: dict[str, Any] | None = Field(
        default=None,
        description='Which rewards there are: {"type": "range", "min": 0, "max": 1} (null), or '
        '{"type": "threshold", "pass_at": x}. One outside the range stops the training.',
    )
    commit: Literal["selection"] | dict[str, Any] | None = None


class Selector(Section):
    """The service that chooses the tasks. Its token is read from the environment: SELECTOR_TOKEN."""

    url: str | None = Field(
        default=None,
        description="Where the service is; null: what the environment's SELECTOR_URL says, or the file that "
        "SELECTOR_URL_FILE names, which is read at every call.",
    )
    run: str = Field(description="One run is one training: another training needs another run.")
    create: CreateRun | None = Field(
        default=None, description="Leave out if pool and run are made beforehand."
    )
    fallback: bool = Field(
        default=True,
        description="While the service is away, train on uniformly drawn tasks; their outcomes are sent later.",
    )
    on_rollback: OnRollback = Field(
        default="fork",
        description="What to do if the run has outcomes of steps that come after the checkpoint: go on in a fork "
        "of it (its name is the run's with a number, `my-run-2`; the run itself stays as it is), keep it (what is "
        "done again does not count), or fail.",
    )


class VllmColocate(VllmEngine):
    """Rollouts by vLLM engines in the trainer's own processes and on their GPUs."""

    type: Literal["vllm-colocate"]
    gpu_memory_utilization: MemoryShare = 0.4
    sleep: bool = Field(default=False, description="Free vLLM's memory while the model is updated.")
    dtype: Dtype = Field(
        default="auto",
        description="Of vLLM's copy of the weights; auto: what the model's config says, or bfloat16.",
    )


class VllmServer(Section):
    """Rollouts by a server that was started with `trl vllm-serve --model …` on GPUs of its own."""

    type: Literal["vllm-server"]
    url: str
    timeout_seconds: PositiveFloat = Field(default=240.0, description="How long to wait for it at the start.")


Engine = Annotated[TransformersEngine | VllmColocate | VllmServer, Field(discriminator="type")]


class Rollouts(Sampling):
    """How completions are sampled."""

    engine: Engine = TransformersEngine(type="transformers")
    max_prompt_tokens: PositiveInt | None = Field(
        default=None, description="Tasks with longer prompts are left out of the training."
    )


class FilterGroups(Section):
    """DAPO's dynamic sampling (arXiv 2503.14476, equation 11): only groups whose rewards differ are trained on.

    A step asks the selector for tasks that promise a full batch of them, reports all, drops the groups whose
    rewards are all equal, and asks for as many tasks as promise what is missing.
    """

    max_rounds: PositiveInt = Field(
        default=10,
        description="Batches rolled out in a step, at most; then groups without a gradient fill it up.",
    )


class Training(Section):
    """GRPO by TRL."""

    steps: PositiveInt = Field(description="Updates of the optimizer.")
    prompts: PositiveInt = Field(description="Tasks a step, over all processes: the size of a selection.")
    rollouts: Annotated[int, Field(ge=2)] = Field(default=16, description="Completions of each task.")
    device_batch: PositiveInt = Field(
        description="Completions that a process takes through the model at once; the rest of a step is accumulated."
    )
    learning_rate: PositiveFloat = 1e-6
    schedule: Literal["constant", "linear", "cosine", "constant_with_warmup"] = "constant"
    warmup_steps: NonNegativeInt = 0
    weight_decay: NonNegativeFloat = 0.0
    max_gradient_norm: PositiveFloat = 1.0
    kl: NonNegativeFloat = Field(
        default=0.0, description="Weight of the KL divergence to the start (TRL: beta)."
    )
    clip: PositiveFloat = Field(default=0.2, description="Of the probability ratio, below (TRL: epsilon).")
    clip_high: PositiveFloat | None = Field(default=None, description="And above, if that differs.")
    iterations: PositiveInt = Field(
        default=1, description="Updates on each batch of completions, so a selection each so many steps."
    )
    loss: Literal["grpo", "dapo", "dr_grpo", "bnpo"] = "grpo"
    precision: Literal["bf16", "fp32"] = Field(
        default="bf16", description="Of the arithmetic; a CPU always uses fp32."
    )
    gradient_checkpointing: bool = True
    filter_groups: FilterGroups | None = None
    trl: dict[str, Any] = Field(
        default={}, description="Further arguments of TRL's GRPOConfig, such as report_to."
    )


class Evaluation(Section):
    """The pass rate on tasks that are not trained on, sampled as rollouts are."""

    tasks: TaskSource
    every: PositiveInt = Field(description="Steps; also before the first and after the last.")
    samples: PositiveInt = Field(default=1, description="Completions of each task.")


class Checkpoints(Section):
    """When to save what a killed training goes on from."""

    every: PositiveInt = Field(default=50, description="Steps; also after the last.")
    keep: Annotated[int, Field(ge=2)] = Field(
        default=2,
        description="How many of the newest stay on disk; the newest alone may be half written at a kill.",
    )


class TrainerConfig(Section):
    """A training: `bots train CONFIG.yaml`."""

    output: Path = Field(
        description="Folder of records, checkpoints, unsent reports and the trained model. With several machines "
        "it must be one that all of them see."
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        default=0, description="Of the training and of the run's draws."
    )
    model: Model
    tasks: TaskSource
    reward: Reward
    reward_threads: RewardThreads = 1
    selector: Selector
    rollouts: Rollouts
    training: Training
    evaluation: Evaluation | None = None
    checkpoints: Checkpoints = Checkpoints()

    @model_validator(mode="after")
    def _device_batches_fill_a_step(self) -> Self:
        rollouts = self.training.prompts * self.training.rollouts
        if rollouts % self.training.device_batch:
            raise ValueError(
                f"training.device_batch: got {self.training.device_batch}; it must divide prompts × rollouts, "
                f"which is {rollouts}"
            )
        return self

    @model_validator(mode="after")
    def _a_checkpoint_ends_an_iteration(self) -> Self:
        # Else a training that goes on would generate at other steps, and so ask with other keys.
        if (
            self.checkpoints.every % self.training.iterations
            or self.training.steps % self.training.iterations
        ):
            raise ValueError(
                f"training.iterations: got {self.training.iterations}; it must divide training.steps and "
                f"checkpoints.every, which are {self.training.steps} and {self.checkpoints.every}"
            )
        return self
