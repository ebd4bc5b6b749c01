"""Baseline: a curriculum from easy to hard, by the pass rates of the reference models, over and over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from selector_api.core.arrays import FloatArray, IntArray
from selector_api.core.candidates import Candidates, Choice
from selector_api.core.fields import schema
from selector_api.core.policies.policy import PolicyKind

if TYPE_CHECKING:
    from selector_api.core.state import RunState


@dataclass(frozen=True)
class EasyToHard(PolicyKind):
    """Tasks by the mean pass rate of their references, highest first, over and over."""

    __pydantic_config__ = schema(type="easy-to-hard")

    type: Literal["easy-to-hard"] = "easy-to-hard"

    needs_references = True

    def choose(self, candidates: Candidates, count: int, rng: np.random.Generator) -> Choice:
        """The next `count` candidates by mean pass rate of their references, after the task selected last.

        Highest mean first, tasks without any reference last, equal ones in pool order. Costs O(pool).
        """
        state = candidates.state
        hardness = _hardness(state)
        tasks = candidates.tasks()
        last = state.history.last_selected.get(candidates.scope)
        if last is None:
            return Choice.unscored(_first(tasks, hardness[tasks], count))
        values = hardness[tasks]
        ahead = (values > hardness[last]) | ((values == hardness[last]) & (tasks > last))
        onward = _first(tasks[ahead], values[ahead], count)
        again = _first(tasks[~ahead], values[~ahead], count - len(onward))
        return Choice.unscored(np.concatenate([onward, again]))


def _hardness(state: RunState) -> FloatArray:
    """Minus the mean rate of each task's measured references, ∞ where there are none."""
    total, measured = np.zeros(state.size), np.zeros(state.size)
    for name in state.table.reference_names:
        rates = state.table.reference(name)[: state.size]
        known = ~np.isnan(rates)
        total[known] += rates[known]
        measured += known
    return np.divide(-total, measured, out=np.full(state.size, np.inf), where=measured > 0)


def _first(tasks: IntArray, values: FloatArray, count: int) -> IntArray:
    """The up to `count` tasks of least value in order of (value, task); `tasks` is ascending."""
    if count < len(tasks):
        # Only what can be among the first is sorted.
        (near,) = np.nonzero(values <= np.partition(values, count)[count])
        tasks, values = tasks[near], values[near]
    return tasks[np.argsort(values, kind="stable")[:count]]
