"""`python -m services.demo`: the whole comparison, from nothing to a table and a picture."""

import argparse
import multiprocessing
import queue
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from rich.console import Console
from rich.live import Live

from trainer_client import SelectorClient, Task

from .arm import train_arm
from .model import make_model, make_tokenizer, pass_rates, teach
from .report import Records, draw, live_table, result_table
from .service import running_service
from .setting import POLICIES, Setting
from .tasks import DemoTask, draw_tasks

CHECKPOINTS = ("weak", "start", "strong")


def main() -> None:
    """Run the demo for as many seeds as asked for."""
    parser = argparse.ArgumentParser(prog="python -m services.demo", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many times to do it all (default: 1)")
    parser.add_argument("--steps", type=int, default=Setting.steps, help="of each arm (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder of the picture")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the model is too small to gain from more
    console = Console()
    started = time.monotonic()
    by_seed: dict[int, Records] = {}
    with (
        tempfile.TemporaryDirectory(prefix="bots-demo-", ignore_cleanup_errors=True) as folder,
        running_service(Path(folder)) as url,
    ):
        console.print(f"The selector serves at {url}, with an embedded Valkey.")
        for seed in range(options.seeds):
            by_seed[seed] = compare(Setting(seed=seed, steps=options.steps), url, Path(folder), console)
    console.print(result_table(by_seed))
    picture = options.output / "demo.png"
    draw(by_seed, picture)
    console.print(f"Picture: {picture}. It took {time.monotonic() - started:.0f} s.")


def compare(setting: Setting, url: str, folder: Path, console: Console) -> Records:
    """One seed: make tasks, model and references, then train both arms through the service at `url`."""
    torch.manual_seed(setting.seed)
    pool, held_out, weights = prepare(setting, folder, console)
    tokenizer = make_tokenizer()
    references: dict[str, list[float]] = {}
    for name in ("weak", "strong"):
        model = make_model(weights[name])
        references[name] = pass_rates(model, tokenizer, pool, setting.reference_samples, setting.seed)
        console.print(
            f"Reference {name!r}: {setting.reference_samples} samples of each pool task, "
            f"mean pass rate {fmean(references[name]):.3f}."
        )
    with SelectorClient(url) as client:
        name = f"demo-{setting.seed}"
        client.create_pool(name)
        client.add_tasks(
            name,
            [
                Task(id=task.id, domain=task.domain, references={"weak": weak, "strong": strong})
                for task, weak, strong in zip(pool, references["weak"], references["strong"], strict=True)
            ],
        )
        for policy, config in POLICIES.items():
            client.create_run(f"{name}-{policy}", name, policy=config, **setting.run_config())
    return train(setting, url, name, pool, held_out, weights["start"], console)


def prepare(
    setting: Setting, folder: Path, console: Console
) -> tuple[list[DemoTask], list[DemoTask], dict[str, Path]]:
    """The pool, the held-out tasks, and the paths of the three checkpoints of the supervised model."""
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
        "the start of both arms, and the strong reference."
    )
    return pool, held_out, weights


def show_examples(pool: Sequence[DemoTask], console: Console) -> None:
    """Print the first task of each kind."""
    first = {task.kind: task for task in reversed(pool)}
    for task in reversed(first.values()):
        console.print(f"  {task.kind}: {task.prompt!r}, answered by {task.target!r}", highlight=False)


def train(
    setting: Setting,
    url: str,
    name: str,
    pool: Sequence[DemoTask],
    held_out: Sequence[DemoTask],
    start: Path,
    console: Console,
) -> Records:
    """Train both arms at once, a process each, under a live table. Raises RuntimeError if one fails."""
    spawn = multiprocessing.get_context("spawn")
    progress = spawn.Queue()
    arms = {
        policy: spawn.Process(
            target=train_arm,
            args=(policy, f"{name}-{policy}", url, setting, pool, held_out, start, progress),
            daemon=True,
        )
        for policy in POLICIES
    }
    records = Records()
    for arm in arms.values():
        arm.start()
    with Live(live_table(records, setting.steps), console=console, refresh_per_second=4) as live:
        while any(
            not arm.evaluations or arm.evaluations[-1].step < setting.steps for arm in records.values()
        ):
            try:
                records.add(progress.get(timeout=1))
                live.update(live_table(records, setting.steps))
            except queue.Empty:
                for policy, arm in arms.items():
                    if arm.exitcode:
                        raise RuntimeError(f"the arm {policy!r} failed; its error stands above") from None
    console.print()
    for arm in arms.values():
        arm.join()
    return records


if __name__ == "__main__":
    main()
