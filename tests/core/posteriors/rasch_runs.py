"""Rasch posteriors for tests: over tasks given by domains and rates, without a log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selector_api.core.arrays import FloatArray
from selector_api.core.classes import Classes
from selector_api.core.posteriors.rasch import Rasch, RaschPosterior

_NAN = float("nan")
EXAMPLE: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "rasch-example.json").read_text()
)
"""A worked example, computed by another implementation: what is known at the beginning and after some commits."""
EXAMPLE_CLASSES = [(0.0, 0.5), (0.25, 0.75), (0.5, 1.0), (_NAN, _NAN), (0.25, _NAN), (0.25, 0.75)]
"""Rates of its classes by two references; the last class is of a domain of its own."""
EXAMPLE_OF_TASK = [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 5]
EXAMPLE_COMMITS: dict[str, list[dict[int, tuple[float, float]]]] = {
    "prior": [],
    "A": [{2: (3, 8), 4: (8, 8), 6: (0, 4), 9: (2.5, 8)}],
    "B": [{0: (0, 8), 2: (5, 8), 3: (16, 16), 10: (1, 2)}],
    "C": [{4: (8, 8), 5: (7, 8)}] * 3,
}
"""Successes and trials by task of the commits before each stage."""


def posterior_of(rates: FloatArray, domains: Sequence[int] | np.ndarray | None = None) -> RaschPosterior:
    """The posterior of tasks with these rates [tasks, references], NaN where there is none."""
    rates = np.asarray(rates, np.float64)
    codes = np.zeros(len(rates), np.int32) if domains is None else np.asarray(domains, np.int32)
    names = tuple(f"r{number}" for number in range(rates.shape[1]))
    posterior = Rasch(names, 16).initial()
    posterior.grow(Classes.of(len(names)).grown(codes, rates))
    return posterior


def commit(
    posterior: RaschPosterior,
    tasks: Sequence[int] | np.ndarray,
    successes: Sequence[float] | np.ndarray,
    trials: float | Sequence[float] | np.ndarray = 8.0,
    behind: float = 0.0,
    evaluation: bool = False,
) -> None:
    take_in = posterior.inform if evaluation else posterior.observe
    shape = (len(tasks),)
    take_in(
        np.asarray(tasks, np.int64),
        np.asarray(successes, np.float64),
        np.broadcast_to(np.asarray(trials, np.float64), shape).copy(),
        np.full(shape, behind),
    )


def same(one: RaschPosterior, other: RaschPosterior) -> bool:
    """Bit for bit."""
    arrays, others = one.to_arrays(), other.to_arrays()
    return arrays.keys() == others.keys() and all(
        array.tobytes() == others[name].tobytes() for name, array in arrays.items()
    )
