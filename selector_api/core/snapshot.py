"""A run's state as JSON values and numpy arrays, and back, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from selector_api.core.classes import Classes
from selector_api.core.config import RunConfig
from selector_api.core.history import History
from selector_api.core.state import RunState
from selector_api.core.tasks import TaskTable

Header: TypeAlias = Mapping[str, Any]
Arrays: TypeAlias = Mapping[str, np.ndarray]

_COUNTS = (
    "step",
    "selections",
    "committed",
    "released",
    "timed_out",
    "created_at",
    "last_commit_at",
)


def taken(state: RunState) -> tuple[Header, Arrays]:
    """A snapshot of the state, from which `restored` makes it again. It shares the state's arrays."""
    header = {name: getattr(state, name) for name in _COUNTS} | {
        "config": state.config.to_dict(),
        "size": state.size,
        "leased": {selection: tasks.tolist() for selection, tasks in state.leased.items()},
        "recent": [sorted(commit.items()) for commit in state.recent],
    }
    arrays = {"classes.domain": state.classes.domain, "classes.rates": state.classes.rates}
    for prefix, part in (("posterior", state.posterior), ("history", state.history)):
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
    state.classes = Classes(arrays["classes.domain"], arrays["classes.rates"], np.empty(0, np.int32))
    state.grow(table, header["size"])
    state.posterior = config.posterior.restored(state.classes, _part(arrays, "posterior"))
    state.history = History.restored(config.policy.in_epochs, state.size, _part(arrays, "history"))
    for name in _COUNTS:
        setattr(state, name, header[name])
    state.leased = {selection: np.array(tasks, np.int64) for selection, tasks in header["leased"].items()}
    state.recent.extend(
        {domain: (effective, reported) for domain, (effective, reported) in commit}
        for commit in header["recent"]
    )
    return state


def upgraded(header: Header, arrays: Arrays) -> tuple[Header, Arrays]:
    """A snapshot of version 1 (releases 0.1 and 0.2) as one of version 2."""
    references = len(RunConfig.from_dict(header["config"]).posterior.references)
    rates = np.column_stack([arrays["classes.weak"], arrays["classes.strong"]])
    domains, capability = zip(*header["capability"], strict=True) if header["capability"] else ((), ())
    # 0.1 did not count all of this yet.
    counted = {"timed_out": 0, "created_at": None, "last_commit_at": None, "released": header["expired"]}
    return {**counted, **header}, {
        **arrays,
        "classes.rates": rates[:, :references],
        "posterior.capability_domain": np.array(domains, np.int64),
        "posterior.capability": np.array(capability, np.float64),
    }


def _part(arrays: Arrays, prefix: str) -> dict[str, np.ndarray]:
    start = prefix + "."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
