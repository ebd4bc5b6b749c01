from __future__ import annotations

from pathlib import Path

from services.trainer.checkpoints import mark_complete, newest_checkpoint, step_of, unmark


def save(folder: Path, *steps: int) -> list[Path]:
    checkpoints = [folder / f"checkpoint-{step}" for step in steps]
    for checkpoint in checkpoints:
        checkpoint.mkdir()
        (checkpoint / "trainer_state.json").touch()
    return checkpoints


def test_the_one_of_most_steps_is_gone_on_from(tmp_path: Path):
    for checkpoint in save(tmp_path, 9, 100, 20):
        mark_complete(checkpoint)
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert step_of(newest) == 100


def test_one_that_is_not_whole_is_not(tmp_path: Path):
    first, second, third = save(tmp_path, 1, 2, 3)
    assert newest_checkpoint(tmp_path) is None
    mark_complete(first)
    mark_complete(third)
    unmark(third)  # as it is written anew
    assert newest_checkpoint(tmp_path) == first
    mark_complete(second)
    assert newest_checkpoint(tmp_path) == second
