"""What a page shows of a run beside its status: its course in all detail, and what that says in words."""

from __future__ import annotations

from typing import Any

from selector_api.core.advisories import advisories
from selector_api.core.calibration import Calibration, by_domain, error_of
from selector_api.core.course import MAX_DOMAINS
from selector_api.core.domains import domain_tasks
from selector_api.core.fields import to_dict
from selector_api.core.moves import capability_moves
from selector_api.core.state import RunState
from selector_api.core.status import warnings


def insight(state: RunState, points: int) -> dict[str, Any]:
    """As JSON values, with at most so many points of its course."""
    streaks = state.history.streaks
    domains, moves = domain_tasks(state), capability_moves(state)
    return {
        "step": state.step,
        "advisories": [to_dict(each) for each in advisories(state, domains, moves)],
        "warnings": list(warnings(state)),
        "capability_moves": {name: to_dict(each) for name, each in moves.items()},
        "capability_scale": state.config.posterior.capability_scale,
        "calibration_error": error_of(Calibration.of(state.calibration).bins),
        "calibration_by_domain": {
            name: to_dict(each)
            for name, each in by_domain(state.calibration, state.domains(MAX_DOMAINS)).items()
        },
        "domains": {name: to_dict(each) for name, each in domains.items()},
        "drops": dict(state.drops),
        "cooling": state.history.tallies.cooling_count(state.step),
        "solved": streaks.solved,
        "relapsed": streaks.relapsed,
        "stuck": streaks.stuck,
        "ages": [
            {"commits": commits, "tasks": tasks} for commits, tasks in state.history.ages(state.step).items()
        ],
        "points": state.course.details(points, state.table.domains),
        "difficulty": state.course.difficulty(state.step, state.difficulties()),
    }
