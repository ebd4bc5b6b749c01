"""What an experiment file says."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from services.command_line.configuration import Section

PolicyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]


def _without_repetition(seeds: list[int]) -> list[int]:
    if len(set(seeds)) != len(seeds):
        raise ValueError("each seed may stand here once")
    return seeds


class Experiment(Section):
    """One trainer configuration under several policies, each with the same seeds."""

    name: PolicyName = Field(
        description="Begins the name of every run at the selector: NAME-POLICY-SEED. Letters, digits, - and _."
    )
    trainer: Path = Field(
        description="The trainer's YAML file, relative to the experiment's file. Its `seed`, `output` and "
        "`selector.run` are set by the experiment; without a `selector.url` the experiment serves a selector of "
        "its own, with its data in OUTPUT/selector."
    )
    policies: dict[PolicyName, dict[str, Any]] = Field(
        min_length=1,
        description="By the name of a policy, what it changes in the trainer's configuration: merged as `extends` "
        "merges, so a mapping of another `type` replaces the trainer's.",
    )
    baseline: str = Field("random", description="The policy that the others are compared with.")
    seeds: Annotated[list[int], AfterValidator(_without_repetition)] = Field(
        min_length=1, description="The seeds of training, of the selector's run and of evaluation."
    )
    jobs: int = Field(1, ge=1, description="How many trainings go on at once.")
    launcher: list[str] = Field(
        [],
        description="What the module services.trainer is started with, e.g. [accelerate, launch, --num_processes, "
        '"8", -m]. Empty: this Python, with -m.',
    )
    output: Path = Field(
        description="Folder of the trainings and the report, relative to the current directory."
    )

    @model_validator(mode="after")
    def _has_the_baseline(self) -> Self:
        if self.baseline not in self.policies:
            raise ValueError(
                f"the baseline {self.baseline!r} is not one of the policies {', '.join(self.policies)}"
            )
        return self
