"""The pictures of a report: a PNG each, with bands of the report's intervals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import colormaps, pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from services.experiment.comparison import Seeds, pooled_forecasts
from services.experiment.statistics import BINS, FloatArray, binned, half_width, smoothed

SMOOTHED_STEPS = 10
PLAIN = "tab:gray"
COLOURS = [to_hex(colormaps["tab20"](place)) for place in range(20) if place not in (14, 15)]  # without grey

Policies = Mapping[str, Seeds]


def draw_etr(policies: Policies, baseline: str, path: Path) -> None:
    """Effective task ratio over steps."""
    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for policy, colour in _colours(policies, baseline).items():
        rows = np.array([smoothed(own.etr, SMOOTHED_STEPS) for own in policies[policy].values()])
        _line(axes, np.arange(1, rows.shape[1] + 1), rows, policy, colour)
    axes.set(xlabel="step", ylabel=f"effective task ratio, mean of {SMOOTHED_STEPS} steps", ylim=(0, 1))
    _save(figure, path)


def draw_accuracy(policies: Policies, baseline: str, path: Path) -> None:
    """Held-out accuracy against steps and against rollout tokens (the mean over seeds at each evaluation)."""
    figure, (by_steps, by_tokens) = pyplot.subplots(
        1, 2, figsize=(11, 4.2), sharey=True, layout="constrained"
    )
    for policy, colour in _colours(policies, baseline).items():
        seeds = policies[policy].values()
        steps = np.array([step for step, _ in next(iter(seeds)).accuracy_by["steps"]])
        rows = np.array([[accuracy for _, accuracy in own.accuracy_by["steps"]] for own in seeds])
        tokens = np.array([[position for position, _ in own.accuracy_by["tokens"]] for own in seeds])
        _line(by_steps, steps, rows, policy, colour, marker="o", markersize=3)
        _line(by_tokens, tokens.mean(axis=0), rows, policy, colour, marker="o", markersize=3)
    by_steps.set(xlabel="step", ylabel="held-out accuracy")
    by_tokens.set(xlabel="rollout tokens")
    by_tokens.xaxis.set_major_formatter(EngFormatter())
    _save(figure, path)


def draw_reliability(policies: Policies, baseline: str, path: Path) -> None:
    """Pass rates against the posterior means that tasks were selected at, of all seeds, with counts below."""
    figure, (rates, counts) = pyplot.subplots(
        2, 1, figsize=(6, 6.5), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    rates.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--")
    edges = np.linspace(0, 1, BINS + 1)
    for policy, colour in _colours(policies, baseline).items():
        number, mean, rate = binned(pooled_forecasts(policies[policy]))
        rates.plot(mean, rate, color=colour, marker="o", markersize=4, label=policy)
        counts.stairs(number, edges, color=colour)
    rates.set(ylabel="pass rate of the selected tasks", xlim=(0, 1), ylim=(0, 1))
    counts.set(xlabel="posterior mean at selection", ylabel="tasks", yscale="symlog")
    counts.grid(alpha=0.3)
    _decorate(rates)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _line(axes: Axes, places: FloatArray, rows: FloatArray, policy: str, colour: str, **style: Any) -> None:
    """The mean over seeds (rows), and a band around it where there are several."""
    axes.plot(places, rows.mean(axis=0), color=colour, label=policy, **style)
    if len(rows) > 1:
        mean, half = rows.mean(axis=0), half_width(rows)
        axes.fill_between(places, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)


def _colours(policies: Policies, baseline: str) -> dict[str, str]:
    """A colour for each policy that has anything to show, the same in every picture."""
    others = [policy for policy in policies if policy != baseline]
    colours = {policy: COLOURS[place % len(COLOURS)] for place, policy in enumerate(others)}
    return {policy: colours.get(policy, PLAIN) for policy, seeds in policies.items() if seeds}


def _save(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        _decorate(axes)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _decorate(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.legend()
