"""What a training saw, step by step: `records.jsonl` in its output folder, a JSON object a line.

The main process writes it. A training that goes on from a checkpoint first drops what came after that checkpoint,
so steps run from 1 without gaps or repetitions.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

RECORDS = "records.jsonl"


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TaskRecord(_Record):
    """A selected task: the posterior mean it was selected at (None: not known), and its outcome.

    `successes` is what its rewards are worth to the run, `informative` whether they were not all equal (None: the
    record is of an older release).
    """

    task: str
    mean: float | None
    successes: float
    trials: int
    informative: bool | None = None

    @property
    def effective(self) -> bool:
        """Whether its group had a gradient."""
        return 0 < self.successes < self.trials if self.informative is None else self.informative


class SelectionRecord(_Record):
    """A selection and what was rolled out for it; `fallback`: drawn by the client alone.

    `run` is the run it is of: a training that goes on from a checkpoint goes on in a fork of its run, unless
    `selector.on_rollback` says to keep it. Then it rolls out again what was selected after the checkpoint, and the
    service counts the first report: the records hold what the model was trained on, the log what was first.
    """

    selection: str
    run: str | None = None
    fallback: bool
    tasks: list[TaskRecord]


class StepRecord(_Record):
    """One optimizer step (1 is the first).

    `rollouts` and `rollout_tokens` count all completions of the step, also those of groups that were filtered out.
    `seconds` is the step's time without evaluation and checkpoint, `selector_seconds` the part of it that was spent
    in select and report. `reward` is the mean over `rollouts`, None if there were none; `reward_failures` counts
    rewards that raised or were no number and so are worth nothing, held-out ones of the evaluation before the step
    among them; `reward_failure_kinds` says how many of which kind.
    """

    kind: Literal["step"] = "step"
    step: int
    selections: list[SelectionRecord]
    rollouts: int
    rollout_tokens: int
    seconds: float
    selector_seconds: float
    reward: float | None
    reward_failures: int = 0
    reward_failure_kinds: dict[str, int] = {}
    at: float = Field(default_factory=time.time)


class EvaluationRecord(_Record):
    """The mean pass rate on `tasks` held-out tasks with `samples` completions each, after `step` steps."""

    kind: Literal["evaluation"] = "evaluation"
    step: int
    accuracy: float
    tasks: int
    samples: int
    at: float = Field(default_factory=time.time)


class FinishedRecord(_Record):
    """The end of a training that did all its steps; `unsent_reports` wait on disk for the service."""

    kind: Literal["finished"] = "finished"
    step: int
    unsent_reports: int
    at: float = Field(default_factory=time.time)


Record = Annotated[StepRecord | EvaluationRecord | FinishedRecord, Field(discriminator="kind")]
_RECORD: TypeAdapter[Record] = TypeAdapter(Record)


@dataclass
class Records:
    """What is known of one training, in order."""

    steps: list[StepRecord] = field(default_factory=list)
    evaluations: list[EvaluationRecord] = field(default_factory=list)
    finished: bool = False


def read_records(folder: Path) -> Records:
    """The records of the training in a folder; none if it has not begun.

    A last line that is not whole, as a kill leaves it, is not counted. Raises ValueError for another such line.
    """
    records = Records()
    for record in _read(folder / RECORDS):
        match record:
            case StepRecord():
                records.steps.append(record)
            case EvaluationRecord():
                records.evaluations.append(record)
            case FinishedRecord():
                records.finished = True
    return records


class RecordWriter:
    """Appends to the records of a training that goes on after `step` steps; those of later steps are dropped."""

    def __init__(self, folder: Path, step: int):
        self._path = folder / RECORDS
        folder.mkdir(parents=True, exist_ok=True)
        lines = [record.model_dump_json() + "\n" for record in _read(self._path) if _stays(record, step)]
        unfinished = self._path.with_suffix(".unfinished")
        unfinished.write_text("".join(lines), encoding="utf-8")
        unfinished.replace(self._path)

    def write(self, record: Record) -> None:
        """Append a record, durably."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(record.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())


def _stays(record: Record, step: int) -> bool:
    """Whether a record holds for a training that goes on after `step` steps.

    Without a checkpoint it begins anew, and evaluates again before its first step.
    """
    return 0 < step >= record.step and not isinstance(record, FinishedRecord)


def _read(path: Path) -> list[Record]:
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    records = []
    for number, line in enumerate(
        lines[:-1], 1
    ):  # after the last newline: nothing, or a line that is not whole
        try:
            records.append(_RECORD.validate_json(line))
        except ValidationError as error:
            raise ValueError(f"{path}, line {number}: not a record: {error}") from error
    return records
