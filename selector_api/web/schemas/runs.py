"""Runs: reading their configuration, which `core.config` describes, and their posteriors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from selector_api.core.config import RunChange, RunConfig, upgraded
from selector_api.web.schemas.common import Answer, Id, Moment, Request, example

MAX_NAMED = 10_000
"""Tasks that a body can name."""

_config = TypeAdapter(RunConfig)
_change = TypeAdapter(RunChange)
_Read = TypeVar("_Read")


def _run_config(values: Any) -> RunConfig:
    """The configuration in a body, be it in the form of 0.2."""
    return _read(_config, upgraded(_object(values)))


def _run_change(values: Any) -> RunChange:
    """What a body changes of a configuration."""
    for name in _object(values):
        if name in ("pool", "seed", "posterior", "implicit", "rewards"):
            raise PydanticCustomError(
                "fixed",
                "{name} cannot change while a run goes on: {cure}",
                {
                    "name": name,
                    "cure": 'fork the run, PUT /runs/{new} with "fork": {"run": …} and the new ' + name
                    if name != "pool"
                    else "make another run; a fork draws from the same pool as its parent",
                },
            )
    change = _read(_change, values)
    if change == RunChange():
        raise PydanticCustomError(
            "nothing", "tells nothing to change: send policy, lease_seconds, share_leased or commit"
        )
    return change


def _object(values: Any) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise PydanticCustomError("config", "Input should be an object")
    return values


def _read(adapter: TypeAdapter[_Read], values: Any) -> _Read:
    """What an object holds.

    It is read as JSON once more, in which the strict rules of pydantic take a list for a tuple.
    """
    values = _whole(values)
    try:
        return adapter.validate_json(json.dumps(values, ensure_ascii=False).encode())
    except ValidationError as error:
        raise ValidationError.from_exception_data(
            error.title,
            [
                InitErrorDetails(
                    type=PydanticCustomError("config", "{message}", {"message": _words(entry)}),
                    loc=_without_types(entry["loc"], values),
                    input=None,
                )
                for entry in error.errors(include_url=False, include_input=False)
            ],
        ) from error


def _words(error: ErrorDetails) -> str:
    # pydantic's own words are those of a Python call.
    unknown = error["type"] == "unexpected_keyword_argument"
    return "Extra inputs are not permitted" if unknown else error["msg"]


RunRequest = Annotated[RunConfig, PlainValidator(_run_config, json_schema_input_type=RunConfig)]
"""PUT /runs/{run}: how a run selects."""
ChangeRequest = Annotated[RunChange, PlainValidator(_run_change, json_schema_input_type=RunChange)]
"""PATCH /runs/{run}: what is otherwise from now on."""


class TasksRequest(Request):
    """Tasks by their ids."""

    model_config = example(tasks=["gsm8k/17", "gsm8k/4"])

    tasks: list[Id] = Field(min_length=1, max_length=MAX_NAMED)


class ExcludedView(Answer):
    """What became of tasks that were excluded or included again."""

    model_config = example(changed=2, excluded=2)

    changed: int = Field(description="Tasks that were not so before")
    excluded: int = Field(description="Tasks that the run itself excludes now")


class RunItemView(Answer):
    """A run in a list."""

    model_config = example(
        run="qwen-grpo-1",
        pool="guru",
        posterior="bots",
        policy="thompson",
        step=120,
        tasks=54400,
        open=1,
        last_commit_at="2026-01-01T12:00:00.000Z",
    )

    run: str
    pool: str
    posterior: str = Field(description="Type of its posterior")
    policy: str = Field(description="Type of its policy")
    step: int = Field(description="Commits so far")
    tasks: int = Field(description="Tasks that it has")
    open: int = Field(description="Selections that are leased, or whose lease has just ended")
    last_commit_at: Moment | None = Field(
        description="When the last commit came; null without one, and before the first with this release"
    )


class RunsView(Answer):
    """A page of the list of runs."""

    model_config = example(runs=[], next=None)

    runs: list[RunItemView]
    next: str | None = Field(description="`cursor` of the next page, null at the end")


class SelectionItemView(Answer):
    """A selection in a list."""

    model_config = example(
        selection="s121-5f0c9b1e",
        status="open",
        key="step-120",
        step=120,
        tasks=["gsm8k/17"],
        reported=0,
        expires_at="2026-01-01T12:00:00.000Z",
    )

    selection: str
    status: Literal["open", "committed", "released"]
    key: str | None
    step: int = Field(description="Commits before it was drawn")
    tasks: list[str]
    reported: int = Field(description="Tasks of which an outcome is known")
    expires_at: Moment = Field(description="When its lease ends, or would have ended")


class SelectionsView(Answer):
    """A page of a run's selections, in the order in which they were made."""

    model_config = example(selections=[], next=None)

    selections: list[SelectionItemView]
    next: str | None = Field(description="`cursor` of the next page, null at the end")


class PointView(Answer):
    """Some commits in a row."""

    model_config = example(
        step=300,
        commits=3,
        groups=96,
        etr=0.77,
        predicted=0.5,
        seen=0.47,
        never_selected=50112,
        capability={"math": 0.31},
        share={"math": 0.6, "code": 0.4},
    )

    step: int = Field(description="The last of them")
    commits: int = Field(description="How many they are")
    groups: int = Field(description="Outcomes in them")
    etr: float | None = Field(description="Share of these that were informative")
    predicted: float | None = Field(
        description="Mean success probability expected when the tasks were selected"
    )
    seen: float | None = Field(description="Mean pass rate")
    never_selected: int = Field(description="Tasks that were never selected until then")
    capability: dict[str, float] = Field(description="Where the model stood then, by domain")
    share: dict[str, float] = Field(description="Share of the outcomes, by domain")


class DifficultyView(Answer):
    """How difficult the run's tasks were at a step."""

    model_config = example(step=288, tasks=[1200, 800, 640, 500, 420, 380, 400, 520, 900, 2100])

    step: int
    tasks: list[int] = Field(description="How many have a mean success probability in each tenth of [0, 1]")


class HistoryView(Answer):
    """The course of a run. What it is made from is bounded, so of a long run it tells less of each commit."""

    model_config = example(run="qwen-grpo-1", step=300, points=[], difficulty=[])

    run: str
    step: int = Field(description="Commits so far")
    points: list[PointView] = Field(description="From the first commit to the last")
    difficulty: list[DifficultyView] = Field(description="At most 64 in the past, and as it is now")


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: 16.0 is 16."""
    if isinstance(value, Mapping):
        return {name: _whole(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_whole(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_types(location: tuple[int | str, ...], value: Any) -> tuple[int | str, ...]:
    """The place of an error in `value`, without the types that pydantic puts behind fields of several kinds."""
    place: list[int | str] = []
    kind = None
    for part in location:
        if part == kind:
            kind = None
            continue
        place.append(part)
        value = value.get(part) if isinstance(value, Mapping) else None
        kind = _kind_of(value)
    return tuple(place)


def _kind_of(value: Any) -> str | None:
    """What pydantic puts into an error's place behind a value that may be of several kinds."""
    if isinstance(value, Mapping):
        return value.get("type", None if "object" in value else "object")
    return None if value is None else "number"


_POSTERIOR_EXAMPLE: dict[str, Any] = {
    "task": "gsm8k/17",
    "mean": 0.44,
    "sd": 0.09,
    "alpha": 12.4,
    "beta": 15.8,
    "domain": "math",
    "selected": 3,
    "last_step": 118,
    "successes": 21.0,
    "trials": 48,
    "dropped": 0,
    "excluded": False,
    "references": {"qwen-7b": 0.25, "qwen-30b": 0.875},
}


class PosteriorItemView(Answer):
    """What is known of one task. Further fields are the parameters of the run's kind of posterior, by name."""

    model_config = example({"additionalProperties": {"type": "number"}}, **_POSTERIOR_EXAMPLE)

    task: str
    mean: float = Field(description="Mean of its success probability")
    sd: float = Field(description="Standard deviation")
    selected: int = Field(description="How often it was selected")
    last_step: int | None = Field(description="Step of its last commit")
    domain: str
    successes: float = Field(description="All that were ever counted of it, evaluations included")
    trials: int = Field(description="Likewise")
    dropped: int = Field(description="How often it was dropped")
    excluded: bool = Field(description="Whether the run draws it no more, because it or its pool was told so")
    references: dict[str, float] = Field(description="Measured pass rates by the reference model's name")


class PosteriorsView(Answer):
    """A page of posteriors."""

    model_config = example(
        step=120,
        posteriors=[_POSTERIOR_EXAMPLE],
        next="10000",
    )

    step: int = Field(description="Commits so far")
    posteriors: list[PosteriorItemView]
    next: str | None = Field(description="`cursor` of the next page, null at the end")
