from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from services.experiment.progress import Progress, TrainingProgress
from services.experiment.trainings import Training
from services.trainer.records import EvaluationRecord, FinishedRecord, RecordWriter
from tests.services.experiment.records import step_record


def trainings(folder: Path, seeds: int) -> list[TrainingProgress]:
    config = {"training": {"steps": 20}, "selector": {"run": "a-run"}}
    return [
        TrainingProgress(Training("bots", seed, folder / f"seed-{seed}", config)) for seed in range(seeds)
    ]


def write(progress: TrainingProgress, steps: int) -> None:
    """So many steps; the first ones are slow, and no task is effective in them."""
    writer = RecordWriter(progress.training.folder, 0)
    writer.write(EvaluationRecord(step=0, accuracy=0.25, tasks=4, samples=1))
    for step in range(1, steps + 1):
        writer.write(step_record(step, [2] if step > 2 else [0], seconds=3 if step > 2 else 1000))
    if steps == progress.training.steps:
        writer.write(FinishedRecord(step=steps, unsent_reports=0))


def printed(progress: Progress) -> list[str]:
    out = StringIO()
    Console(file=out, width=100).print(progress.table())
    return out.getvalue().splitlines()


def test_the_table_tells_where_each_training_stands(tmp_path: Path):
    done, training, starting, _ = each = trainings(tmp_path, 4)
    write(done, 20)
    write(training, 12)
    training.state = starting.state = "starting"
    training.ask_capability = lambda _: {"words": 0.5, "numbers": None}
    for one in each:
        one.look()
    lines = printed(Progress(each, jobs=2))
    cells = [line.split() for line in lines if "bots" in line]
    assert cells == [
        ["bots", "0", "done", "20/20", "0.50", "1.000", "–", "0.250", "30", "ms", "0:00:00"],
        ["bots", "1", "training", "12/20", "0.50", "1.000", "words", "0.50", "0.250", "30", "ms", "0:00:24"],
        ["bots", "2", "starting", "0/20", "–", "–", "–", "–", "–", "–"],
        ["bots", "3", "waiting", "0/20", "–", "–", "–", "–", "–", "–"],
    ]
    assert ["numbers", "–"] in [line.split() for line in lines]
    assert "1 of 4 trainings are done, about 0:01:12 left" in " ".join(lines)  # (8 + 20 + 20) · 3 s / 2


def test_the_table_fits_on_80_columns(tmp_path: Path):
    each = trainings(tmp_path, 1)
    write(each[0], 20)
    each[0].ask_capability = lambda _: {"numbers": 0.5}
    each[0].look()
    each[0].state = "training"
    out = StringIO()
    Console(file=out, width=80).print(Progress(each, jobs=1).table())
    assert "…" not in out.getvalue()
    assert "numbers 0.50" in out.getvalue()


def test_on_a_small_screen_the_trainings_under_way_stay_in_sight(tmp_path: Path):
    each = trainings(tmp_path, 30)
    for training in each[:20]:
        training.state = "done"
    progress = Progress(each, jobs=2, console=Console(height=16))
    shown = [line.split()[1] for line in printed(progress) if "bots" in line]
    assert len(shown) == 10
    assert {"20", "21"} <= set(shown)
    each[0].capability = dict.fromkeys(["words", "numbers"], 0.5)  # each row may need as many lines
    shown = [line.split()[1] for line in printed(progress) if "bots" in line]
    assert len(shown) == 5
    assert {"20", "21"} <= set(shown)


def test_on_a_terminal_the_table_is_live(tmp_path: Path):
    out = StringIO()
    each = trainings(tmp_path, 1)
    progress = Progress(each, jobs=1, console=Console(file=out, force_terminal=True, width=100, height=30))
    with progress.shown():
        RecordWriter(each[0].training.folder, 0).write(
            EvaluationRecord(step=0, accuracy=0.25, tasks=4, samples=1)
        )
        progress.follow(each)
    assert "0.250" in out.getvalue()
    assert "held-out accuracy" not in out.getvalue()


def test_without_a_terminal_a_line_tells_where_a_training_stands_if_none_did_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = StringIO()
    each = trainings(tmp_path, 2)
    each[0].state = each[1].state = "starting"
    each[0].ask_capability = lambda _: {"words": 0.5, "numbers": None}
    write(each[0], 12)
    progress = Progress(each, jobs=2, console=Console(file=out))
    progress.follow(each)
    assert len(out.getvalue().splitlines()) == 1  # the evaluation
    monkeypatch.setattr("services.experiment.progress.silence", lambda _: -1.0)
    progress.follow(each)
    assert out.getvalue().splitlines()[1:] == [
        "bots, seed 0: training, step 12 of 20, reward 0.50, ETR of the last steps 1.000, μ words 0.50, numbers –, "
        "30 ms a step with the selector, 0:00:24 left",
        "bots, seed 1: starting, step 0 of 20",
    ]


def test_a_training_that_went_on_in_a_fork_is_asked_for_by_its_name(tmp_path: Path):
    [training] = trainings(tmp_path, 1)
    asked: list[str] = []
    training.ask_capability = lambda run: asked.append(run) or {}
    writer = RecordWriter(training.training.folder, 0)
    writer.write(step_record(1, [1]))
    training.look()
    writer.write(step_record(2, [1], run="a-run-2"))
    training.look()
    assert asked == ["a-run", "a-run-2"]
