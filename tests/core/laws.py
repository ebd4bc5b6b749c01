"""Statistics that tell whether two samples have one law, and the pool on which selection is put to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.config import RunConfig
from selector_api.core.fold import fold
from selector_api.core.policies import Policy
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.core.select import select
from selector_api.core.state import RunState
from tests.core import runs

P_VALUE = 1e-3
"""Least p-value of every comparison. Seeds are fixed: a comparison that passes does so always."""

LEASED = ["large-1", "large-9", "large-10", "middle-7", "middle-8", "small-3", "small-5"]


def mixed_run(policy: Policy, seed: int = 11) -> RunState:
    """158 tasks of every kind.

    In large classes (90 and 60), in a small one (6), alone in their class (2), with a residual, leased, and both.
    """
    classes = {
        "large": (90, 0.0, 0.5),
        "middle": (60, 0.25, 0.75),
        "small": (6, 0.5, 1.0),
        "hard": (1, 0.0, 0.125),
        "easy": (1, 0.875, 1.0),
    }
    rows = [
        (f"{name}-{number}", "default", {"weak": weak, "strong": strong})
        for name, (size, weak, strong) in classes.items()
        for number in range(size)
    ]
    config = RunConfig("pool", seed, Bots(implicit=Interpolation("weak", "strong")), policy)
    state = runs.started(config, runs.table_of(rows))
    state = runs.commit(
        state, {"large-1": (16, 16), "large-2": (3, 16), "middle-0": (8, 16), "small-0": (9, 16)}, "first"
    )
    state = runs.commit(state, {"large-1": (12, 16), "large-5": (8, 16), "middle-7": (0, 16)}, "second")
    return fold(state, runs.selected("open", LEASED), state.table)


def free_tasks(state: RunState) -> IntArray:
    """The tasks that are not leased, found the plain way."""
    leased = {task for tasks in state.leased.values() for task in tasks.tolist()}
    return np.array([task for task in range(state.size) if task not in leased])


def selections(state: RunState, batch_size: int, number: int) -> tuple[IntArray, FloatArray]:
    """Tasks and scores, each [number, batch], of selections 1 to `number`, all from the same posteriors."""
    choices = [select(replace(state, selections=made), batch_size) for made in range(number)]
    return np.array([choice.tasks for choice in choices]), np.array([choice.scores for choice in choices])


def dense_draws(state: RunState, tasks: IntArray, number: int, seed: int) -> FloatArray:
    """Draws of every one of `tasks`, [number, tasks], made by numpy from their α and β."""
    parameters = state.posterior.of_tasks(tasks).parameters()
    shape = (number, len(tasks))
    return np.random.default_rng(seed).beta(parameters["alpha"], parameters["beta"], size=shape)


def nearest(
    tasks: IntArray, draws: FloatArray, target: float, batch_size: int
) -> tuple[IntArray, FloatArray]:
    """The batch nearest the target, nearest first, of each row of `draws` [number, tasks]."""
    order = np.argsort(np.abs(draws - target), axis=1)[:, :batch_size]
    return tasks[order], np.take_along_axis(draws, order, axis=1)


def same_frequencies(one: npt.NDArray[np.integer], other: npt.NDArray[np.integer]) -> float:
    """p-value of the chi-square test that two samples of whole numbers have one law, rare values pooled."""
    length = int(max(one.max(), other.max())) + 1
    table = np.array([np.bincount(one, minlength=length), np.bincount(other, minlength=length)])
    rarity = table.sum(axis=0) * min(len(one), len(other)) / (len(one) + len(other))
    rare = rarity < 8
    cells = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    cells = cells[:, cells.sum(axis=0) > 0]
    if cells.shape[1] < 2:
        return 1.0
    expected = np.outer(cells.sum(axis=1), cells.sum(axis=0)) / cells.sum()
    return float(stats.chi2.sf(((cells - expected) ** 2 / expected).sum(), cells.shape[1] - 1))


def same_distribution(one: FloatArray, other: FloatArray) -> float:
    """p-value of the two-sample Kolmogorov–Smirnov test."""
    return float(np.asarray(stats.ks_2samp(one, other, method="asymp"))[1])


def same_inclusion(one: IntArray, other: IntArray) -> float:
    """p-value, by Bonferroni, that every task is in as many batches [number, batch] of both samples."""
    length = int(max(one.max(), other.max())) + 1
    counts = np.array([np.bincount(batches.ravel(), minlength=length) for batches in (one, other)])
    rates = counts / np.array([[len(one)], [len(other)]])
    pooled = counts.sum(axis=0) / (len(one) + len(other))
    spread = np.sqrt(pooled * (1 - pooled) * (1 / len(one) + 1 / len(other)))
    tested = spread > 0
    z = (rates[0] - rates[1])[tested] / spread[tested]
    return float(min(1.0, 2 * stats.norm.sf(np.abs(z).max()) * tested.sum())) if tested.any() else 1.0


def expected_frequencies(counts: IntArray, probabilities: FloatArray) -> float:
    """p-value of the chi-square test that `counts` were drawn with these probabilities, which sum to 1."""
    expected = counts.sum() * probabilities
    rare = expected < 8
    observed = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    used = expected > 0
    return float(stats.chisquare(observed[used], expected[used]).pvalue)
