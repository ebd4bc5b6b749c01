"""What a comparison starts from: tasks, and a model at three stages of supervised training."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from services.demo.model import make_model, make_tokenizer, teach
from services.demo.setting import Setting
from services.demo.tasks import DemoTask, draw_tasks

CHECKPOINTS = ("weak", "start", "strong")


def make_materials(
    setting: Setting, folder: Path, console: Console
) -> tuple[list[DemoTask], list[DemoTask], dict[str, Path]]:
    """The pool, the held-out tasks, and the paths of the three checkpoints of the supervised model.

    Set torch's seed before. Raises RuntimeError if teaching does not get there.
    """
    streams = range(4 * setting.seed, 4 * setting.seed + 4)
    pool = draw_tasks(setting.pool_size, streams[0])
    held_out = draw_tasks(setting.held_out_size, streams[1], pool)
    validation = draw_tasks(setting.validation_size, streams[2], pool + held_out)
    examples = draw_tasks(setting.example_size, streams[3], pool + held_out + validation)
    console.print(
        f"Seed {setting.seed}: a pool of {len(pool)} reasoning-gym tasks in {len({task.domain for task in pool})} "
        f"domains, {len(held_out)} others held out, {len(examples)} others to teach the model from. For example:"
    )
    show_examples(pool, console)
    weights = {name: folder / f"{name}-{setting.seed}.pt" for name in CHECKPOINTS}
    goals = {
        setting.weak_accuracy: weights["weak"],
        setting.start_accuracy: weights["start"],
        setting.strong_accuracy: weights["strong"],
    }
    model, tokenizer = make_model(), make_tokenizer()
    with console.status("teaching") as status:
        step = 0
        for step, accuracy in teach(
            model, tokenizer, examples, validation, goals, setting.most_teaching_steps
        ):
            status.update(f"teaching: step {step}, accuracy {accuracy:.3f} of {setting.strong_accuracy}")
    console.print(
        f"A model of {model.num_parameters():,} parameters, {step} supervised steps. Its checkpoints at accuracy "
        f"{setting.weak_accuracy}, {setting.start_accuracy} and {setting.strong_accuracy} are the weak reference, "
        "the start of training, and the strong reference."
    )
    return pool, held_out, weights


def show_examples(pool: Sequence[DemoTask], console: Console) -> None:
    """Print the first task of each kind."""
    first = {task.kind: task for task in reversed(pool)}
    for task in reversed(first.values()):
        console.print(f"  {task.kind}: {task.prompt!r}, answered by {task.target!r}", highlight=False)
