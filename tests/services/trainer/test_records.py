from __future__ import annotations

from pathlib import Path

import pytest

from services.trainer.records import (
    RECORDS,
    EvaluationRecord,
    FinishedRecord,
    RecordWriter,
    StepRecord,
    read_records,
)


def step(number: int) -> StepRecord:
    return StepRecord(
        step=number,
        selections=[],
        rollouts=0,
        rollout_tokens=0,
        seconds=1.0,
        selector_seconds=0.0,
        reward=None,
    )


def evaluation(number: int) -> EvaluationRecord:
    return EvaluationRecord(step=number, accuracy=0.5, tasks=2, samples=1)


def write_five_steps(folder: Path) -> None:
    writer = RecordWriter(folder, 0)
    for record in [evaluation(0), *map(step, range(1, 6)), evaluation(5)]:
        writer.write(record)
    writer.write(FinishedRecord(step=5, unsent_reports=0))


def test_what_is_written_is_read(tmp_path: Path):
    write_five_steps(tmp_path)
    records = read_records(tmp_path)
    assert [record.step for record in records.steps] == [1, 2, 3, 4, 5]
    assert [record.step for record in records.evaluations] == [0, 5]
    assert records.finished


@pytest.mark.parametrize(("after", "evaluations"), [(0, []), (3, [0]), (5, [0, 5])])
def test_a_training_that_goes_on_drops_what_came_later(tmp_path: Path, after: int, evaluations: list[int]):
    write_five_steps(tmp_path)
    RecordWriter(tmp_path, after)
    records = read_records(tmp_path)
    assert [record.step for record in records.steps] == list(range(1, after + 1))
    assert [record.step for record in records.evaluations] == evaluations
    assert not records.finished


def test_a_line_that_is_not_whole_is_not_counted(tmp_path: Path):
    write_five_steps(tmp_path)
    path = tmp_path / RECORDS
    path.write_bytes(path.read_bytes()[:-10])
    assert not read_records(tmp_path).finished
    assert len(read_records(tmp_path).steps) == 5


def test_a_line_that_is_no_record_is_named(tmp_path: Path):
    (tmp_path / RECORDS).write_text('{"kind": "step"}\n')
    with pytest.raises(ValueError, match="line 1: not a record"):
        read_records(tmp_path)


def test_there_is_nothing_before_a_training(tmp_path: Path):
    records = read_records(tmp_path)
    assert (records.steps, records.evaluations, records.finished) == ([], [], False)
