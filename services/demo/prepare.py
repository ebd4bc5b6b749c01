"""`python -m services.demo.prepare [FOLDER]`: the demo's tasks and models as files, for its `experiment.yaml`.

start/          the model that is trained
pool.parquet    the tasks to train on, with the measured pass rates of two references
held-out.jsonl  the tasks to evaluate on
pool.jsonl, weak/, strong/, references/    what pool.parquet was made of
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import torch
import transformers
import typer
from rich.console import Console

from services.command_line.command import run_command
from services.command_line.configuration import save_mapping
from services.command_line.failures import Failure
from services.demo.materials import make_materials
from services.demo.model import ANSWER_TOKENS, SAMPLING_BATCH, make_model, make_tokenizer
from services.demo.setting import Setting
from services.demo.tasks import DemoTask, answer_of

FOLDER = Path("demo-output/materials")
REFERENCES = ("weak", "strong")


def main(
    folder: Annotated[Path, typer.Argument(help="Where to.")] = FOLDER,
    seed: Annotated[int, typer.Option(min=0, help="Of the tasks and of teaching the model.")] = 0,
) -> None:
    """Draw tasks, teach a model on others, and measure two of its checkpoints as references on the pool."""
    prepare(folder, Setting(seed=seed))


def prepare(folder: Path, setting: Setting) -> None:
    """Write the files. Raises `Failure` if they are there, or a reference cannot be measured."""
    pool_file = folder / "pool.parquet"
    if pool_file.exists():
        raise Failure(f"{pool_file} is there already: give another folder, or remove this one")
    folder.mkdir(parents=True, exist_ok=True)
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)  # the model is too small to gain from more
    torch.manual_seed(setting.seed)
    with tempfile.TemporaryDirectory() as weights_folder:
        pool, held_out, weights = make_materials(setting, Path(weights_folder), Console())
        for name, path in weights.items():
            make_model(path).save_pretrained(folder / name)
            make_tokenizer().save_pretrained(folder / name)
    write_tasks(pool, folder / "pool.jsonl")
    write_tasks(held_out, folder / "held-out.jsonl")
    measure_references(folder, pool_file, setting)


def write_tasks(tasks: Iterable[DemoTask], path: Path) -> None:
    """A JSON line a task."""
    with path.open("w", encoding="utf-8") as file:
        for task in tasks:
            row = {"id": task.id, "domain": task.domain, "prompt": task.prompt, "answer": answer_of(task)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def measure_references(folder: Path, pool_file: Path, setting: Setting) -> None:
    """Run services.reference_eval once a reference; each run adds a column to the task file of the one before."""
    between = folder / "references"
    shutil.rmtree(between, ignore_errors=True)  # of models that are gone
    between.mkdir()
    tasks, measured = folder / "pool.jsonl", dict[str, str]()
    for name in REFERENCES:
        output = between / f"{name}.parquet"
        column = f"{name}_pass_rate"
        config = between / f"{name}.yaml"
        save_mapping(
            config,
            {
                "name": name,
                "tasks": {"file": str(tasks), "id": "id", "domain": "domain", "references": measured},
                "reward": {"type": "function", "function": "services.demo.tasks:reward"},
                "model": {"path": str(folder / name), "dtype": "float32"},
                "engine": {"type": "transformers", "batch": SAMPLING_BATCH},
                "sampling": {
                    "samples": setting.reference_samples,
                    "max_tokens": ANSWER_TOKENS,
                    "seed": setting.seed,
                },
                "output": str(output),
                "column": column,
            },
        )
        command = [sys.executable, "-m", "services.reference_eval", str(config)]
        ended = subprocess.run(command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, check=False)  # noqa: S603
        if ended.returncode:
            raise Failure(f"the reference {name!r} could not be measured, see above")
        tasks = output
        measured = {**measured, name: column}
    shutil.copy(tasks, pool_file)


if __name__ == "__main__":
    run_command(main, "services.demo.prepare")
