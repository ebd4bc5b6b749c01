"""What came out of an experiment, in a few figures for a terminal."""

from collections.abc import Mapping
from math import ceil
from statistics import fmean

from rich.table import Table

from services.experiment.comparison import Seeds
from services.experiment.statistics import first_with

SHOWN_EVALUATIONS = 5
NOTHING = "–"


def result_table(policies: Mapping[str, Seeds], baseline: str) -> Table:
    """Each policy's ETR, held-out accuracy over steps, and steps to the baseline's final accuracy.

    Figures are means over finished seeds; the steps, over those of which the baseline's training is finished too.
    """
    numbers = sorted({seed for seeds in policies.values() for seed in seeds})
    table = Table(
        title=f"Result: {len(numbers)} seed{'s' if len(numbers) > 1 else ''} ({', '.join(map(str, numbers))})",
        caption=f"goal: {baseline}'s final held-out accuracy",
    )
    shown = _shown_steps(policies)
    table.add_column("policy")
    for column in ("ETR", *(f"held-out\nat {step}" for step in shown), "steps\nto goal"):
        table.add_column(column, justify="right")
    for policy, seeds in policies.items():
        table.add_row(
            policy,
            _mean([float(own.etr.mean()) for own in seeds.values()]),
            *(_accuracy(seeds, step) for step in shown),
            _steps_to_goal(seeds, policies[baseline]),
        )
    return table


def _shown_steps(policies: Mapping[str, Seeds]) -> list[float]:
    """Some of the evaluated steps, the last one always."""
    steps = sorted(
        {
            step
            for seeds in policies.values()
            for own in seeds.values()
            for step, _ in own.accuracy_by["steps"]
        }
    )
    return steps[:: -max(1, ceil(len(steps) / SHOWN_EVALUATIONS))][::-1]


def _accuracy(seeds: Seeds, step: float) -> str:
    each = [dict(own.accuracy_by["steps"]) for own in seeds.values()]
    return _mean([accuracy[step] for accuracy in each if step in accuracy])


def _steps_to_goal(seeds: Seeds, baseline: Seeds) -> str:
    each = [
        first_with(own.accuracy_by["steps"], baseline[seed].final_accuracy)
        for seed, own in seeds.items()
        if seed in baseline
    ]
    reached = [step for step in each if step is not None]
    if len(reached) < len(each):
        return f"{len(reached)} of {len(each)} seeds" if reached else "not reached"
    return f"{fmean(reached):.0f}" if reached else NOTHING


def _mean(values: list[float]) -> str:
    return f"{fmean(values):.3f}" if values else NOTHING
