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

from services.demo.arm import train_arm
from services.demo.materials import make_materials
from services.demo.model import make_model, make_tokenizer, pass_rates
from services.demo.report import Records, draw, live_table, result_table
from services.demo.setting import POLICIES, Setting
from services.demo.tasks import DemoTask
from services.processes.local_selector import running_service
from trainer_client import SelectorClient, Task


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
    pool, held_out, weights = make_materials(setting, folder, console)
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
