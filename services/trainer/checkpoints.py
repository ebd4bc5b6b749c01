"""Which checkpoint a training goes on from.

transformers writes a checkpoint file by file, and several processes write theirs. So each one that is whole gets a
mark at the end, and only marked ones are gone on from.
"""

from pathlib import Path

PREFIX = "checkpoint-"
MARK = "complete"


def mark_complete(checkpoint: Path) -> None:
    """Say that every process has written its part."""
    (checkpoint / MARK).touch()


def unmark(checkpoint: Path) -> None:
    """Say that a checkpoint is about to be written again."""
    (checkpoint / MARK).unlink(missing_ok=True)


def newest_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint of the most steps; None if there is none."""
    complete = [mark.parent for mark in folder.glob(f"{PREFIX}*/{MARK}")]
    return max(complete, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """How many steps lie before a checkpoint."""
    return int(checkpoint.name.removeprefix(PREFIX))
