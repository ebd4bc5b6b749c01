"""What the demo shows: a live table while it trains, a table of results, and a picture."""

from collections import defaultdict
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from statistics import fmean

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from rich.table import Table

from services.demo.arm import Evaluation, Step
from services.demo.setting import POLICIES

COLOURS = {"random": "tab:gray", "BOTS": "tab:blue"}
SMOOTHED_STEPS = 10


@dataclass
class Record:
    """Everything that one policy's arm told, in order."""

    steps: list[Step] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)

    @property
    def mean_etr(self) -> float:
        """ETR over the whole run: every step has as many tasks."""
        return fmean(step.etr for step in self.steps)

    @property
    def final_accuracy(self) -> float:
        """Held-out accuracy at the end."""
        return self.evaluations[-1].accuracy

    def steps_to(self, accuracy: float) -> int | None:
        """The first evaluated step with at least this held-out accuracy; None if there is none."""
        return next((seen.step for seen in self.evaluations if seen.accuracy >= accuracy), None)


class Records(dict[str, Record]):
    """The arms of one seed, by policy."""

    def __init__(self) -> None:
        super().__init__({policy: Record() for policy in POLICIES})

    def add(self, news: Step | Evaluation) -> None:
        """Take what an arm told."""
        if isinstance(news, Step):
            self[news.policy].steps.append(news)
        else:
            self[news.policy].evaluations.append(news)


def live_table(records: Records, steps: int) -> Table:
    """Where each arm stands now; reward and ETR are means over the last few steps."""
    table = Table(title=f"GRPO, {steps} steps from the same start")
    table.add_column("policy")
    for column in ("step", "reward", "ETR", "μ", "held-out", "select", "report"):
        table.add_column(column, justify="right", no_wrap=True)
    for policy, record in records.items():
        accuracy = f"{record.evaluations[-1].accuracy:.3f}" if record.evaluations else "–"
        if not record.steps:
            table.add_row(policy, "0", "–", "–", "–", accuracy, "–", "–")
            continue
        last = record.steps[-1]
        recent = record.steps[-SMOOTHED_STEPS:]
        table.add_row(
            policy,
            str(last.step),
            f"{fmean(step.reward for step in recent):.2f}",
            f"{fmean(step.etr for step in recent):.2f}",
            "\n".join(f"{domain} {_rounded(value)}" for domain, value in last.capability.items()),
            accuracy,
            f"{last.select_ms:.0f} ms",
            f"{last.report_ms:.0f} ms",
        )
    return table


def result_table(by_seed: dict[int, Records]) -> Table:
    """ETR, held-out accuracy against steps, and steps to random's final accuracy; a row an arm and seed."""
    seeds = ", ".join(map(str, by_seed))
    table = Table(
        title=f"Result: {len(by_seed)} seed{'s' if len(by_seed) > 1 else ''} ({seeds})",
        caption="goal: random's final held-out accuracy, at the first evaluation that has it",
    )
    evaluated = [seen.step for seen in next(iter(by_seed.values()))["random"].evaluations]
    shown = evaluated[:: -max(1, ceil(len(evaluated) / 5))][::-1]  # the last one always
    table.add_column("seed")
    table.add_column("policy")
    table.add_column("ETR", justify="right")
    for step in shown:
        table.add_column(f"held-out\nat {step}", justify="right")
    table.add_column("steps\nto goal", justify="right")
    for seed, records in by_seed.items():
        goal = records["random"].final_accuracy
        for policy, record in records.items():
            accuracy = {seen.step: seen.accuracy for seen in record.evaluations}
            reached = record.steps_to(goal)
            table.add_row(
                str(seed),
                policy,
                f"{record.mean_etr:.3f}",
                *(f"{accuracy[step]:.3f}" for step in shown),
                "not reached" if reached is None else str(reached),
            )
    if len(by_seed) > 1:
        for policy in POLICIES:
            arms = [records[policy] for records in by_seed.values()]
            table.add_row(
                "mean",
                policy,
                f"{fmean(arm.mean_etr for arm in arms):.3f}",
                *(f"{value:.3f}" for step, value in _mean_accuracy(arms) if step in shown),
                "",
            )
    return table


def draw(by_seed: dict[int, Records], path: Path) -> None:
    """A PNG: ETR and held-out accuracy over steps, thin lines for seeds and a thick one for their mean."""
    figure, (etr, accuracy) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for policy in POLICIES:
        arms = [records[policy] for records in by_seed.values()]
        smoothed = [_smooth([step.etr for step in arm.steps]) for arm in arms]
        etr.plot(
            [fmean(values) for values in zip(*smoothed, strict=True)], color=COLOURS[policy], label=policy
        )
        steps, mean = zip(*_mean_accuracy(arms), strict=True)
        accuracy.plot(steps, mean, color=COLOURS[policy], marker="o", markersize=3, label=policy)
        if len(arms) > 1:
            for arm, values in zip(arms, smoothed, strict=True):
                etr.plot(values, color=COLOURS[policy], linewidth=0.5, alpha=0.6)
                accuracy.plot(
                    [seen.step for seen in arm.evaluations],
                    [seen.accuracy for seen in arm.evaluations],
                    color=COLOURS[policy],
                    linewidth=0.5,
                    alpha=0.6,
                )
    etr.set(xlabel="step", ylabel=f"effective task ratio, mean of {SMOOTHED_STEPS} steps", ylim=(0, 1))
    accuracy.set(xlabel="step", ylabel="held-out accuracy")
    for axes in (etr, accuracy):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(f"GRPO on random tasks and on tasks that BOTS selects; {len(by_seed)} seed(s)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _mean_accuracy(arms: list[Record]) -> list[tuple[int, float]]:
    by_step: defaultdict[int, list[float]] = defaultdict(list)
    for arm in arms:
        for seen in arm.evaluations:
            by_step[seen.step].append(seen.accuracy)
    return [(step, fmean(values)) for step, values in by_step.items()]


def _rounded(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _smooth(values: list[float]) -> list[float]:
    return [fmean(values[max(0, end - SMOOTHED_STEPS) : end]) for end in range(1, len(values) + 1)]
