"""What `bots replay` found, as a picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from bots.replay_report import Judged
from selector_api.core.scores import STRETCHES

MOST_DOMAINS = 12


def draw(judged: Judged, path: Path) -> None:
    """Write a PNG: log-loss over the steps, expected against seen pass rates, and log-loss by domain."""
    by_domain = len(judged.seen.domains) > 1
    figure, axes = pyplot.subplots(
        1, 2 + by_domain, figsize=(6 * (2 + by_domain), 4.8), layout="constrained", squeeze=False
    )
    _steps(judged, axes[0, 0])
    _calibration(judged, axes[0, 1])
    if by_domain:
        _domains(judged, axes[0, 2])
    for each in axes[0]:
        each.grid(alpha=0.3)
    axes[0, 0].legend()
    figure.suptitle(f"{judged.name}: predictions, not selection")
    figure.savefig(path, dpi=130, format="png")
    pyplot.close(figure)


def _steps(judged: Judged, axes: Axes) -> None:
    places = (np.arange(STRETCHES) + 0.5) / STRETCHES * 100
    for label, verdict in judged.verdicts.items():
        losses = [np.nan if scores.log_loss is None else scores.log_loss for scores in verdict.by_stretch]
        axes.plot(places, losses, marker="o", markersize=4, label=label)
    axes.set(xlabel="per cent of the steps", ylabel="log-loss of a group, nats", xlim=(0, 100))


def _calibration(judged: Judged, axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--")
    for verdict in judged.verdicts.values():
        axes.plot(
            [each.predicted for each in verdict.bins],
            [each.seen for each in verdict.bins],
            marker="o",
            markersize=4,
        )
    axes.set(xlabel="expected pass rate", ylabel="seen pass rate", xlim=(0, 1), ylim=(0, 1))


def _domains(judged: Judged, axes: Axes) -> None:
    verdicts = list(judged.verdicts.values())
    sizes = {name: scores.groups for name, scores in verdicts[0].by_domain.items()}
    names = sorted(sizes, key=lambda name: -sizes[name])[:MOST_DOMAINS]
    height = 0.8 / len(verdicts)
    for number, verdict in enumerate(verdicts):
        places = np.arange(len(names)) + number * height
        axes.barh(places, [verdict.by_domain[name].log_loss or 0.0 for name in names], height)
    axes.set_yticks(np.arange(len(names)) + 0.4 - height / 2, names)
    axes.invert_yaxis()
    axes.set(xlabel="log-loss of a group, nats")
