"""What an experiment file says."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from services.command_line.configuration import Section

PolicyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]


def _without_repetition(seeds: list[int]) -> list[int]:
    if len(set(seeds)) != len(seeds):
        raise ValueError("each seed may stand here once")
    return seeds


class Question(Section):
    """What an experiment is to decide, by the rule that its report states: see services/experiment/questions.py."""

    policy: PolicyName
    relation: Literal["not below", "clearly above"]
    other: PolicyName = Field(description="The policy that it is compared with.")
    then: str = Field(description="What follows from a yes, in words.")


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
    service: str = Field(
        "bots",
        description="The Python module that the experiment's own selector is started by: `bots`, or one that "
        "adds a posterior or a policy to it, as services.experiment.control does.",
    )
    questions: list[Question] = Field([], description="What the report is to answer.")
    pictured: list[PolicyName] = Field([], description="The policies in the pictures. Empty: all.")
    launcher: list[str] = Field(
        [],
        description="What the module services.trainer is started with, e.g. [accelerate, launch, --num_processes, "
        '"8", -m]. Empty: this Python, with -m.',
    )
    output: Path = Field(
        description="Folder of the trainings and the report, relative to the current directory."
    )

    @model_validator(mode="after")
    def _has_the_policies_it_names(self) -> Self:
        asked = [name for question in self.questions for name in (question.policy, question.other)]
        for what, names in (
            ("the baseline", [self.baseline]),
            ("of the questions", asked),
            ("of the pictured", self.pictured),
        ):
            for name in names:
                if name not in self.policies:
                    raise ValueError(f"{what} {name!r} is not one of the policies {', '.join(self.policies)}")
        return self
