"""What is simulated: tasks, configurations, and what trainers report."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.promises.pair import Task
from tests.promises.rows import Counts, Drop, Rewards, Value

_RATES = (None, 0.0, 0.25, 0.5, 1.0)
_POLICIES: list[dict[str, Any]] = [
    {"type": "thompson"},
    {"type": "thompson", "exploration": 0.5},
    {"type": "posterior-mean", "temperature": 0.1},
    {"type": "random"},
    {"type": "shuffle"},
    {"type": "sequential"},
]
_COMMITS: list[Any] = ["selection", "selection", {"outcomes": 1}, {"outcomes": 3}, {"outcomes": 5}]
_IMPLICIT = {"type": "interpolation", "weak": "weak", "strong": "strong"}
_VALUES: list[Value] = [
    Counts(0.0, 2),
    Counts(1.0, 2),
    Counts(0.5, 2),
    Counts(2.0, 16),
    Rewards((0.5, 0.5)),
    Rewards((0.0, 1.0)),
    Rewards((1.0,)),
    Drop("timeout"),
    Drop("broken"),
]
BEGINNING = 7
"""Tasks that the pool begins with."""


def tasks(random: Random, first: int) -> list[Task]:
    """Those that the pool begins with, or a few that join it."""
    count = random.randint(1, 3) if first else BEGINNING
    made: list[Task] = []
    for number in range(first, first + count):
        measured = {"weak": random.choice(_RATES), "strong": random.choice(_RATES)}
        if number == 0:
            measured = {"weak": 0.25, "strong": 0.75}
        task: Task = {
            "id": f"t{number}",
            "domain": random.choice(["default", "math"]),
            "references": {name: rate for name, rate in measured.items() if rate is not None},
        }
        made.append(task)
    return made


def config(random: Random) -> dict[str, Any]:
    """A run's."""
    return {
        "pool": "pool",
        "seed": random.randrange(1000),
        "posterior": {
            "type": "bots",
            "prior": [1.0, 1.0],
            "forgetting": random.choice([0.0, 0.1, 1.0]),
            "implicit_weight": 0.1,
            "rollouts": 16,
            "implicit": random.choice([_IMPLICIT, {"type": "none"}]),
        },
        **{name: choices(random) for name, choices in _CHANGES.items()},
    }


def change(random: Random) -> dict[str, Any]:
    """A change of some of it."""
    names = random.sample(list(_CHANGES), random.randint(1, 2))
    return {name: _CHANGES[name](random) for name in names}


_CHANGES = {
    "policy": lambda random: random.choice(_POLICIES),
    "lease_seconds": lambda random: random.choice([8.0, 50.0]),
    "share_leased": lambda random: random.random() < 0.15,
    "commit": lambda random: random.choice(_COMMITS),
}


def value(random: Random) -> Value:
    """What is reported of a task."""
    return random.choice(_VALUES)
