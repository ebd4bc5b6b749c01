"""Records of trainings, made up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.trainer.records import (
    EvaluationRecord,
    FinishedRecord,
    RecordWriter,
    SelectionRecord,
    StepRecord,
    TaskRecord,
)


def step_record(
    step: int,
    successes: Sequence[float],
    *,
    mean: float | None = 0.5,
    tokens: int = 100,
    seconds: float = 2.0,
    fallback: bool = False,
    run: str | None = None,
) -> StepRecord:
    """A step of one selection: the successes of each task's four rollouts."""
    tasks = [
        TaskRecord(task=f"{step}-{place}", mean=mean, successes=passed, trials=4)
        for place, passed in enumerate(successes)
    ]
    return StepRecord(
        step=step,
        selections=[SelectionRecord(selection=f"s{step}", run=run, fallback=fallback, tasks=tasks)],
        rollouts=4 * len(successes),
        rollout_tokens=tokens,
        seconds=seconds,
        selector_seconds=seconds / 100,
        reward=sum(successes) / (4 * len(successes)),
    )


def write_training(
    folder: Path, steps: Sequence[StepRecord], accuracy: Sequence[float], *, finished: bool = True
) -> None:
    """Records of a training with evaluations at step 0 and then after each of so many equal parts."""
    writer = RecordWriter(folder, 0)
    every = len(steps) // (len(accuracy) - 1)

    def evaluation(step: int) -> EvaluationRecord:
        return EvaluationRecord(step=step, accuracy=accuracy[step // every], tasks=10, samples=1)

    writer.write(evaluation(0))
    for record in steps:
        writer.write(record)
        if record.step % every == 0:
            writer.write(evaluation(record.step))
    if finished:
        writer.write(FinishedRecord(step=len(steps), unsent_reports=0))
