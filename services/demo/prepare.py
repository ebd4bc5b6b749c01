"""`python -m services.demo.prepare [FOLDER]`: what the demo trains, and on what, as files.

With `--tasks grids` it is what the experiment beside the demo's trains: another model, and tasks of other kinds.

start/          the model that is trained
pool.parquet    the tasks to train on, with the measured pass rates of two references
held-out.jsonl  the tasks to evaluate on
pool.jsonl, weak/, strong/, references/    what pool.parquet was made of
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from services.command_line.command import run_command
from services.command_line.configuration import load, save_mapping
from services.command_line.failures import Failure
from services.command_line.waiting import going_on
from services.reference_eval.config import ReferenceEvaluation
from services.reference_eval.evaluation import evaluate
from services.reference_eval.shards import Shard

if TYPE_CHECKING:
    from services.demo.tasks import DemoTask

FOLDERS = {"words": Path("demo-output/materials"), "grids": Path("demo-output/grids/materials")}
REFERENCES = ("weak", "strong")
SAMPLING_BATCH = 128


@dataclass(frozen=True)
class Setting:
    """How much of what. Sizes of sets of tasks are by level, of which there are about sixteen.

    Accuracies are those of the model's three checkpoints on the validation tasks.
    """

    seed: int = 0
    kinds: Literal["words and lists", "grids and sums"] = "words and lists"
    answer_tokens: int = 12
    pool_size: int = 140
    held_out_size: int = 30
    validation_size: int = 30
    example_size: int = 1500
    weak_accuracy: float = 0.10
    start_accuracy: float = 0.22
    strong_accuracy: float = 0.36
    most_teaching_steps: int = 3000
    reference_samples: int = 8


SETTINGS = {
    "words": Setting(),
    "grids": Setting(
        kinds="grids and sums",
        answer_tokens=17,
        weak_accuracy=0.08,
        start_accuracy=0.16,
        strong_accuracy=0.34,
    ),
}


def main(
    folder: Annotated[
        Path | None, typer.Argument(help="Where to.", show_default="what services/demo/*.yaml reads")
    ] = None,
    tasks: Annotated[
        Literal["words", "grids"], typer.Option(help="Words and lists, as in the demo, or grids and sums.")
    ] = "words",
    seed: Annotated[int, typer.Option(min=0, help="Of the tasks and of teaching the model.")] = 0,
) -> None:
    """Draw tasks, teach a model on others, and measure two of its checkpoints as references on the pool."""
    prepare(folder or FOLDERS[tasks], replace(SETTINGS[tasks], seed=seed), Console())


def prepare(folder: Path, setting: Setting, console: Console) -> None:
    """Write the files. Raises `Failure` if they are there, or a reference cannot be measured."""
    pool_file = folder / "pool.parquet"
    if pool_file.exists():
        raise Failure(f"{pool_file} is there already: give another folder, or remove this one")
    with going_on("Loading torch and transformers", console) as say:
        import torch
        from transformers.utils import logging

        from services.demo.kinds import SETS
        from services.demo.tasks import draw_tasks

        logging.disable_progress_bar()
        torch.set_num_threads(1)  # the model is too small to gain from more
        torch.manual_seed(setting.seed)
        say("Drawing tasks")
        streams = range(4 * setting.seed, 4 * setting.seed + 4)
        of = SETS[setting.kinds]
        pool = draw_tasks(setting.pool_size, streams[0], of=of)
        held_out = draw_tasks(setting.held_out_size, streams[1], pool, of)
        validation = draw_tasks(setting.validation_size, streams[2], pool + held_out, of)
        taught = {name: kind.taught for name, kind in of.items()}
        examples = draw_tasks(setting.example_size, streams[3], pool + held_out + validation, taught)
        folder.mkdir(parents=True, exist_ok=True)
        write_tasks(pool, folder / "pool.jsonl")
        write_tasks(held_out, folder / "held-out.jsonl")
    console.print(
        f"A pool of {len(pool):,} reasoning-gym tasks in {len({task.domain for task in pool})} domains, "
        f"{len(held_out)} others held out, {len(examples):,} others to teach the model from. For example:"
    )
    first = {task.kind: task for task in reversed(pool)}
    for task in reversed(first.values()):
        console.print(f"  {task.kind}: {task.prompt!r}, answered by {task.target!r}", highlight=False)
    with going_on("Teaching a little model", console) as say:
        said = teach_checkpoints(folder, setting, examples, validation, say)
    console.print(said)
    measure_references(folder, pool_file, setting)


def write_tasks(tasks: Iterable[DemoTask], path: Path) -> None:
    """A JSON line a task."""
    from services.demo.tasks import answer_of

    with path.open("w", encoding="utf-8") as file:
        for task in tasks:
            row = {"id": task.id, "domain": task.domain, "prompt": task.prompt, "answer": answer_of(task)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def teach_checkpoints(
    folder: Path,
    setting: Setting,
    examples: Sequence[DemoTask],
    validation: Sequence[DemoTask],
    say: Callable[[str], None],
) -> str:
    """Save the model at its three accuracies, each in a folder of its name, and give what came of it in words.

    Raises RuntimeError if teaching does not get there.
    """
    from services.demo.model import ARCHITECTURES, make_model, make_tokenizer, teach

    accuracies = {
        "weak": setting.weak_accuracy,
        "start": setting.start_accuracy,
        "strong": setting.strong_accuracy,
    }
    architecture = ARCHITECTURES[setting.kinds]
    model, tokenizer = make_model(architecture), make_tokenizer(architecture)
    folders = {accuracy: folder / name for name, accuracy in accuracies.items()}
    step = 0
    for step, accuracy in teach(model, tokenizer, examples, validation, folders, setting.most_teaching_steps):
        say(f"Teaching a little model: step {step}, accuracy {accuracy:.3f} of {setting.strong_accuracy}")
    return (
        f"A model of {model.num_parameters():,} parameters, {step} supervised steps. Its checkpoints at accuracy "
        f"{setting.weak_accuracy}, {setting.start_accuracy} and {setting.strong_accuracy} are the weak reference, "
        "the start of training, and the strong reference."
    )


def measure_references(folder: Path, pool_file: Path, setting: Setting) -> None:
    """Measure each reference; each adds a column to the task file of the one before, the last makes the pool."""
    between = folder / "references"
    shutil.rmtree(between, ignore_errors=True)  # of models that are gone
    between.mkdir()
    tasks, measured = folder / "pool.jsonl", dict[str, str]()
    for name in REFERENCES:
        output = between / f"{name}.parquet"
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
                    "max_tokens": setting.answer_tokens,
                    "seed": setting.seed,
                },
                "output": str(output),
            },
        )
        evaluation = load(config, ReferenceEvaluation)
        evaluate(evaluation, Shard(0, 1))
        tasks = output
        measured = {**measured, name: evaluation.rate_column}
    shutil.copy(tasks, pool_file)


if __name__ == "__main__":
    run_command(main, "services.demo.prepare")
