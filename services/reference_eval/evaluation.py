"""One reference evaluation from its configuration: measure what is left; the last shard writes the result."""

from collections.abc import Sequence
from statistics import fmean

import typer

from services.command_line.output import told_of
from services.reference_eval import pool, result
from services.reference_eval.config import ReferenceEvaluation
from services.reference_eval.measure import measure
from services.reference_eval.progress import Progress, measured_by
from services.reference_eval.shards import Shard
from services.task_files.tasks import TaskRow, read_tasks
from trainer_client import Task


def evaluate(config: ReferenceEvaluation, shard: Shard) -> None:
    """Measure what is left of a shard and, if that was the last of all, write the result and fill the pool."""
    result.check(config)
    tasks = read_tasks(config.tasks)
    with Progress(config.progress, measured_by(config), shard) as progress:
        finished = progress.finished()
        left = [task for task in shard.of(tasks) if task.id not in finished]
        typer.echo(f"shard {shard}: {len(left):,} tasks to measure, {len(tasks):,} in all shards", err=True)
        if left:
            effort = measure(config, left, progress)
            typer.echo(
                f"shard {shard}: {effort.tasks:,} tasks measured, {effort.rate:.2f} a second; the reward failed on "
                f"{effort.failures:,} completions"
            )
        rates = progress.finished()
    missing = sum(task.id not in rates for task in tasks)
    if missing:
        typer.echo(
            f"{missing:,} tasks of other shards are missing; who measures the last one writes {config.output}"
        )
        return
    result.write(config, rates)
    typer.echo(f"{config.output}: {_summary(config, [rates[task.id] for task in tasks])}")
    if config.pool:
        receipt = pool.fill(config.pool, (_pool_task(task, config.name, rates[task.id]) for task in tasks))
        typer.echo(told_of(config.pool.pool, receipt))


def _summary(config: ReferenceEvaluation, rates: Sequence[float]) -> str:
    never, always = (sum(rate == end for rate in rates) / len(rates) for end in (0, 1))
    return (
        f"{len(rates):,} tasks, mean pass rate {fmean(rates):.3f} in column {config.rate_column!r}; "
        f"{never:.1%} never pass, {always:.1%} always"
    )


def _pool_task(task: TaskRow, name: str, rate: float) -> Task:
    return Task(id=task.id, domain=task.domain, references={**task.references, name: rate})
