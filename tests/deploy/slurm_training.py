"""`python -m tests.deploy.slurm_training FOLDER [--make-run]`: coin flips in the place of a training.

It goes as far as the file `goal` in the folder allows: so many steps are reported, and the tasks of the next one
are selected. The file `step` is its checkpoint. SIGTERM ends it at once, with a selection that is not reported.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from trainer_client import SelectorClient, Task

POOL, RUN = "coins", "coins"
TASKS, BATCH, FLIPS = 40, 4, 8


def make_run(client: SelectorClient) -> None:
    client.create_pool(POOL)
    client.add_tasks(POOL, [Task(id=f"task-{number}") for number in range(TASKS)])
    client.create_run(RUN, POOL, seed=7)


def flips(step: int, task: str) -> list[float]:
    """The rewards of a task's rollouts in a step: the same whoever flips."""
    coin = random.Random(f"{step} {task}")
    chance = random.Random(task).random()
    return [float(coin.random() < chance) for _ in range(FLIPS)]


def do_step(client: SelectorClient, step: int, goal: Path | None = None) -> None:
    selection = client.select(BATCH, key=f"step-{step}")
    while goal is not None and int(goal.read_text()) <= step:
        time.sleep(0.1)
    client.report(selection, {task: flips(step, task) for task in selection.tasks})


def main(folder: Path, steps: int) -> None:
    checkpoint, goal = folder / "step", folder / "goal"
    step = int(checkpoint.read_text()) if checkpoint.exists() else 0
    print(f"going on after step {step}", flush=True)
    with SelectorClient(run=RUN, max_retries=60) as client:  # of a machine that is very busy, too
        while step < steps:
            do_step(client, step, goal)
            step += 1
            unfinished = folder / "step.new"
            unfinished.write_text(str(step))
            unfinished.replace(checkpoint)


if __name__ == "__main__":
    if sys.argv[2:] == ["--make-run"]:
        with SelectorClient() as admin:
            make_run(admin)
    else:
        main(Path(sys.argv[1]), steps=12)
