"""A run's state as JSON values and numpy arrays, and back, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from selector_api.core.arrays import IntArray
from selector_api.core.classes import Classes
from selector_api.core.config import RunConfig
from selector_api.core.course import Course
from selector_api.core.history import History
from selector_api.core.staleness import Staleness
from selector_api.core.state import RunState
from selector_api.core.tasks import TaskTable
from selector_api.core.withheld import Withheld

Header: TypeAlias = Mapping[str, Any]
Arrays: TypeAlias = Mapping[str, np.ndarray]

_COUNTS = (
    "step",
    "selections",
    "committed",
    "released",
    "timed_out",
    "dropped",
    "evaluated",
    "evaluated_informative",
    "policy_since",
    "selections_before_epochs",
    "selections_before_shares",
    "changes",
    "parent",
    "rewinds",
    "rewound",
    "created_at",
    "last_commit_at",
)


def taken(state: RunState) -> tuple[Header, Arrays]:
    """A snapshot of the state, from which `restored` makes it again. It shares the state's arrays."""
    header = {name: getattr(state, name) for name in _COUNTS} | {
        "config": state.config.to_dict(),
        "size": state.size,
        "leased": _lists(state.leased),
        "handed": _lists(state.handed),
        "versions": dict(state.versions),
        "expires": dict(state.expires),
        "predicted": {selection: part.tolist() for selection, part in state.predicted.items()},
        "predicted_sd": {selection: part.tolist() for selection, part in state.predicted_sd.items()},
        "drops": dict(state.drops),
        "calibration": [list(group) for group in state.calibration],
        "staleness": state.staleness.to_list(),
        "recent": [sorted(commit.items()) for commit in state.recent],
    }
    arrays = {"classes.domain": state.classes.domain, "classes.rates": state.classes.rates}
    parts = {
        "posterior": state.posterior,
        "history": state.history,
        "withheld": state.withheld,
        "course": state.course,
    }
    for prefix, part in parts.items():
        arrays |= {f"{prefix}.{name}": array for name, array in part.to_arrays().items()}
    return header, arrays


def restored(header: Header, arrays: Arrays, table: TaskTable) -> RunState:
    """The state that `taken` was called on, bit for bit. `table` may have grown since.

    Raises:
        ValueError: the table holds fewer tasks than the state.
    """
    config = RunConfig.from_dict(header["config"])
    state = RunState.initial(config)
    # So that the classes keep their numbers when the tasks join.
    state.classes = Classes.without_tasks(arrays["classes.domain"], arrays["classes.rates"])
    state.grow(table, header["size"])
    state.posterior = config.posterior.restored(state.classes, _part(arrays, "posterior"))
    state.history = History.restored(config.policy.in_epochs, state.size, _part(arrays, "history"))
    for name in _COUNTS:
        setattr(state, name, header[name])
    state.leased, state.handed = _arrays(header["leased"]), _arrays(header["handed"])
    state.versions = dict(header["versions"])
    state.expires = dict(header["expires"])
    state.predicted = {selection: np.array(part) for selection, part in header["predicted"].items()}
    state.predicted_sd = {selection: np.array(part) for selection, part in header["predicted_sd"].items()}
    state.drops = dict(header["drops"])
    state.calibration.extend((predicted, seen, domain) for predicted, seen, domain in header["calibration"])
    state.withheld = Withheld.restored(_part(arrays, "withheld"))
    state.course = Course.restored(_part(arrays, "course"))
    state.staleness = Staleness.of(header["staleness"])
    state.recent.extend(
        {domain: (effective, reported) for domain, (effective, reported) in commit}
        for commit in header["recent"]
    )
    return state


def _lists(tasks: Mapping[str, IntArray]) -> dict[str, list[int]]:
    return {selection: part.tolist() for selection, part in tasks.items()}


def _arrays(tasks: Mapping[str, list[int]]) -> dict[str, IntArray]:
    return {selection: np.array(part, np.int64) for selection, part in tasks.items()}


def _part(arrays: Arrays, prefix: str) -> dict[str, np.ndarray]:
    start = prefix + "."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
