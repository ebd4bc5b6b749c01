from io import StringIO
from pathlib import Path

from rich.console import Console

from services.experiment.arms import Arm
from services.experiment.progress import ArmProgress, Progress
from services.trainer.records import EvaluationRecord, FinishedRecord, RecordWriter
from tests.services.experiment.records import step_record


def arms(folder: Path, seeds: int) -> list[ArmProgress]:
    config = {"training": {"steps": 20}, "selector": {}}
    return [ArmProgress(Arm("bots", seed, folder / f"seed-{seed}", config)) for seed in range(seeds)]


def printed(progress: Progress) -> list[str]:
    out = StringIO()
    Console(file=out, width=100).print(progress.table())
    return out.getvalue().splitlines()


def test_the_table_tells_where_each_arm_stands(tmp_path: Path):
    done, training, _ = each = arms(tmp_path, 3)
    for arm, steps in ((done, 20), (training, 12)):
        writer = RecordWriter(arm.arm.folder, 0)
        writer.write(EvaluationRecord(step=0, accuracy=0.25, tasks=4, samples=1))
        for step in range(1, steps + 1):
            # The first steps are slow, and no task is effective in them.
            writer.write(step_record(step, [2] if step > 2 else [0], seconds=3 if step > 2 else 1000))
        if steps == 20:
            writer.write(FinishedRecord(step=20, unsent_reports=0))
    training.state = "training"
    for arm in each:
        arm.look()
    lines = printed(Progress(each, jobs=2))
    cells = [line.replace("│", " ").split() for line in lines if "bots" in line]
    assert cells == [
        ["bots", "0", "done", "20/20", "1.000", "0.250", "0:00:00"],
        ["bots", "1", "training", "12/20", "1.000", "0.250", "0:00:24"],
        ["bots", "2", "waiting", "0/20", "–", "–", "–"],
    ]
    assert "1 of 3 trainings are done, about 0:00:42 left" in " ".join(lines)  # (8 + 20) · 3 s / 2


def test_on_a_small_screen_the_arms_in_training_stay_in_sight(tmp_path: Path):
    each = arms(tmp_path, 30)
    for arm in each[:20]:
        arm.state = "done"
    progress = Progress(each, jobs=2, console=Console(height=16))
    shown = [line.replace("│", " ").split()[1] for line in printed(progress) if "bots" in line]
    assert len(shown) == 10
    assert {"20", "21"} <= set(shown)


def test_on_a_terminal_the_table_is_live(tmp_path: Path):
    out = StringIO()
    each = arms(tmp_path, 1)
    progress = Progress(each, jobs=1, console=Console(file=out, force_terminal=True, width=100, height=30))
    with progress.shown():
        RecordWriter(each[0].arm.folder, 0).write(EvaluationRecord(step=0, accuracy=0.25, tasks=4, samples=1))
        progress.follow(each[0])
    assert "0.250" in out.getvalue()
    assert "held-out accuracy" not in out.getvalue()
