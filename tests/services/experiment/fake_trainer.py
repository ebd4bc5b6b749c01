"""Stands in for the trainer: writes records and a line to `begun` in its control folder, and does as told there.

    python fake_trainer.py CONTROL services.trainer CONFIG.yaml     # or whatever names the trainer, in its middle

CONTROL/fail-NAME makes the training NAME (policy-seed) fail half-way. CONTROL/hang-NAME, a FIFO, makes it stop
half-way, when it writes to the FIFO, and wait to be ended.
"""

import os
import signal
import sys
from pathlib import Path

import yaml

from services.trainer.records import (
    EvaluationRecord,
    FinishedRecord,
    RecordWriter,
    SelectionRecord,
    StepRecord,
    TaskRecord,
    read_records,
)

control, module, config_file = Path(sys.argv[1]), " ".join(sys.argv[2:-1]), Path(sys.argv[-1])
config = yaml.safe_load(config_file.read_text())
folder, steps = Path(config["output"]), config["training"]["steps"]
every = config["evaluation"]["every"]
policy = config["selector"]["create"]["policy"]["type"]
name = f"{folder.parent.name}-{config['seed']}"
gain = 0.05 if policy == "thompson" else 0.02


def evaluation(step: int) -> EvaluationRecord:
    accuracy = 0.2 + gain * step + 0.01 * config["seed"]
    return EvaluationRecord(step=step, accuracy=accuracy, tasks=10, samples=1)


done = len(read_records(folder).steps)
records = RecordWriter(folder, done)
with (control / "begun").open("a") as begun:
    begun.write(f"{name} {module} from {done} at {config['selector'].get('url')}\n")
(control / "threads").write_text(os.environ["OMP_NUM_THREADS"])
if not done:
    records.write(evaluation(0))
for step in range(done + 1, steps + 1):
    if step == steps // 2 + 1:
        if (control / f"fail-{name}").exists():
            sys.exit(f"{name} was told to fail")
        if (control / f"hang-{name}").exists():
            (control / f"hang-{name}").write_text("hangs")
            signal.pause()
    tasks = [
        TaskRecord(task=f"{step}-{task}", mean=0.3 + 0.1 * task, successes=min(4, task + gain * 40), trials=4)
        for task in range(4)
    ]
    selection = SelectionRecord(selection=f"s{step}", fallback=False, tasks=tasks)
    tokens = 100 + config["seed"]
    records.write(
        StepRecord(
            step=step,
            selections=[selection],
            rollouts=16,
            rollout_tokens=tokens,
            seconds=2.0,
            selector_seconds=0.01,
            reward=0.5,
        )
    )
    if step % every == 0 or step == steps:
        records.write(evaluation(step))
records.write(FinishedRecord(step=steps, unsent_reports=0))
