"""What has become of the tasks of each domain, whether or not they are selected of late."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selector_api.core.arrays import BoolArray, CodeArray, FloatArray, IntArray
from selector_api.core.course import MAX_DOMAINS
from selector_api.core.fields import schema
from selector_api.core.state import RunState


@dataclass(frozen=True)
class LeftAlone:
    """Tasks with evidence of which none came in the later half of the run's commits."""

    __pydantic_config__ = schema(tasks=40, expected=0.06, passed=0.35)

    tasks: int
    expected: float
    """Mean of their success probabilities as they are expected now"""
    passed: float
    """Mean of their pass rates over all their rollouts"""


@dataclass(frozen=True)
class DomainTasks:
    """The tasks of a domain, and what became of them since the start."""

    __pydantic_config__ = schema(
        tasks=200,
        never_selected=138,
        selected=640,
        dropped=12,
        stuck=3,
        left_alone={"tasks": 40, "expected": 0.06, "passed": 0.35},
    )

    tasks: int
    never_selected: int
    selected: int
    """How often they were selected in all"""
    dropped: int
    """How often they were dropped in all"""
    stuck: int
    """How many failed in every rollout of each of their last four groups"""
    left_alone: LeftAlone | None
    """null if there are none"""


def domain_tasks(state: RunState) -> dict[str, DomainTasks]:
    """By domain, of those that are told apart. Looks once at each task, some nanoseconds long."""
    names = state.domains(MAX_DOMAINS)
    codes = state.classes.domain[state.classes.of_task]

    def counted(tasks: IntArray | BoolArray, weights: IntArray | None = None) -> list[int]:
        return np.bincount(codes[tasks], weights, minlength=len(names)).astype(np.int64).tolist()

    history = state.history
    reported, successes, trials, dropped = history.tallies.of_all()
    left = (trials > 0) & (history.last_step(reported) <= state.step // 2)
    tasks = reported[left]
    alone = _left_alone(state, tasks, codes[tasks], successes[left] / trials[left])
    columns = (
        np.bincount(codes, minlength=len(names)).tolist(),
        counted(history.never_selected()),
        counted(reported, dropped),
        counted(history.streaks.are_stuck()),
    )
    return {
        name: DomainTasks(size, never, history.drawn.get(code, 0), drops, stuck, alone.get(code))
        for code, (name, size, never, drops, stuck) in enumerate(zip(names, *columns, strict=False))
    }


def _left_alone(
    state: RunState, tasks: IntArray, codes: CodeArray, passed: FloatArray
) -> dict[int, LeftAlone]:
    if not len(tasks):
        return {}
    expected = state.posterior.of_tasks(tasks).mean()
    return {
        code: LeftAlone(
            int(np.count_nonzero(codes == code)),
            float(expected[codes == code].mean()),
            float(passed[codes == code].mean()),
        )
        for code in np.unique(codes).tolist()
    }
