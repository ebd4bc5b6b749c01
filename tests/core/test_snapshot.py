"""A snapshot holds all that the log has told, whatever kinds of events these were."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from selector_api.core import snapshot
from selector_api.core.config import RunConfig
from selector_api.core.fold import fold
from selector_api.core.policies import Shuffle, Thompson
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.core.posteriors.rasch import Rasch
from selector_api.core.state import RunState
from tests.core import runs

TABLE = runs.table_of([(f"t{k}", "math" if k % 2 else "code", {"w": 0.1 * k, "s": 0.9}) for k in range(10)])
LOG: list[dict[str, Any]] = [
    {"type": "grown", "tasks": 10, "chunks": 2},
    {
        "type": "selected",
        "selection": "a",
        "tasks": ["t0", "t1", "t2", "t3"],
        "policy_version": 7,
        "expires_at": 900,
    },
    {"type": "excluded", "by": "run", "tasks": ["t5", "t6"]},
    {"type": "excluded", "by": "pool", "tasks": ["t8"]},
    {"type": "included", "by": "run", "tasks": ["t6"]},
    {"type": "dropped", "selection": "a", "drops": [[0, "timeout"]]},
    {"type": "observed", "key": "k", "rows": [["t1", 2, 4], ["t9", 4, 4]]},
    {
        "type": "committed",
        "selection": "a",
        "reason": "count",
        "outcomes": {"a": [[1, 3, 4, {"policy_version": 5, "informative": False}], [2, 0, 4]]},
        "closes": [],
    },
    {"type": "selected", "selection": "b", "tasks": ["t4", "t6"], "policy_version": 8, "expires_at": 10},
    {
        "type": "committed",
        "selection": "a",
        "reason": "final",
        "outcomes": {"b": [[0, 4, 4]]},
        "closes": ["a"],
    },
    {"type": "released", "selection": "b", "reason": "lease", "entered": 1},
    {"type": "configured", "policy": {"type": "thompson", "target": 0.7}, "lease_seconds": 60.0},
    {"type": "rewound", "known": 20, "found": 12},
    {"type": "committed", "selection": None, "key": "k", "reason": "unsolicited", "outcomes": [["t9", 1, 2]]},
    {"type": "selected", "selection": "c", "tasks": ["t7", "t9"], "policy_version": 9, "expires_at": 11},
    {"type": "dropped", "selection": "c", "drops": [[1, "broken"]]},
]
CONFIGS = {
    "bots": RunConfig("p", policy=Shuffle(), posterior=Bots(implicit=Interpolation("w", "s"))),
    "rasch": RunConfig("p", policy=Thompson(domains={"math": 0.5, "code": 0.5}), posterior=Rasch(("w", "s"))),
}


def told(config: RunConfig) -> list[dict[str, Any]]:
    first = {**runs.created(config, 8), "parent": {"run": "other", "step": 3}}
    return [{**event, "at": 100 + place} for place, event in enumerate([first, *LOG])]


def contents(value: Any) -> Any:
    """What a container of plain values and arrays holds, bit for bit; of other objects nothing."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {key: contents(each) for key, each in value.items()}
    if isinstance(value, deque | list | tuple):
        return [contents(each) for each in value]
    return repr(value) if isinstance(value, int | float | str | None) else None


def everything(state: RunState) -> Any:
    header, arrays = snapshot.taken(state)
    return contents([header, arrays, {each.name: getattr(state, each.name) for each in fields(state)}])


@pytest.mark.parametrize("cut", range(1, len(LOG) + 1))
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_what_any_event_has_left_is_there_again(config: RunConfig, cut: int) -> None:
    log = told(config)
    states = [runs.fold_all(log[:cut], TABLE), runs.fold_all(log[:cut], TABLE)]
    header, arrays = snapshot.taken(states[0])
    states.append(
        snapshot.restored(json.loads(json.dumps(header)), {n: a.copy() for n, a in arrays.items()}, TABLE)
    )
    copied, before = states[0].copy(), everything(states[0])
    assert everything(states[2]) == before
    for event in log[cut:]:
        states = [fold(state, event, TABLE) for state in states]
        assert everything(states[1]) == everything(states[0])
        assert everything(states[2]) == everything(states[0])
    assert everything(copied) == before
