"""What has become of the tasks of each domain, whether or not they are selected of late."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selector_api.core.arrays import CodeArray, FloatArray, IntArray
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
    """null if there are none, or where tasks were evaluated, which is evidence without a step"""


def domain_tasks(state: RunState) -> dict[str, DomainTasks]:
    """By domain, of those that are told apart."""
    names, history, classes = state.domains(MAX_DOMAINS), state.history, state.classes

    def domain_of(tasks: IntArray) -> CodeArray:
        return classes.domain[classes.of_task[tasks]]

    def counted(domains: CodeArray, weights: IntArray | None = None) -> IntArray:
        return np.bincount(domains, weights, minlength=len(names))[: len(names)].astype(np.int64)

    reported, successes, trials, dropped = history.tallies.of_all()
    last = history.last_step(reported)
    left = (trials > 0) & (last >= 0) & (last <= state.step // 2)
    left &= not state.evaluated  # what evaluations saw is among these counts, and has no step
    domains = domain_of(reported)
    alone = _left_alone(state, reported[left], domains[left], successes[left] / trials[left])
    size = counted(classes.domain, classes.sizes)
    never = size - counted(domain_of(history.selected()))
    drops = counted(domains, dropped)
    stuck = counted(domain_of(history.stuck()))
    columns = zip(names, size.tolist(), never.tolist(), drops.tolist(), stuck.tolist(), strict=True)
    return {
        name: DomainTasks(tasks, unselected, history.drawn.get(code, 0), lost, failed, alone.get(code))
        for code, (name, tasks, unselected, lost, failed) in enumerate(columns)
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
