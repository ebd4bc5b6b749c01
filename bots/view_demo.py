"""The made runs of `bots view --demo`: a simulated model that learns, with BOTS, `rasch` and random selection.

A task passes as likely as the model's level in its domain is above the task's difficulty; what teaches raises the
level. All of it is drawn from one seed, but for the clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bots.replay_logs import table_of
from selector_api.core.config import RunConfig
from selector_api.core.fold import LOG_VERSION, fold
from selector_api.core.select import select
from selector_api.core.tasks import TaskTable
from trainer_client import Task

DOMAINS = {"math": 0.0, "code": -0.6, "logic": 0.5}
"""By name how well the model does there at first."""
TASKS = 480
STEPS = 120
BATCH = 24
ROLLOUTS = 8
_BROKEN, _SLOW = 9, 4
_SECONDS_A_STEP = 48
_LEARNED = 0.0032
_POLICIES: dict[str, dict[str, Any]] = {
    "demo-bots": {
        "posterior": {
            "type": "bots",
            "implicit": {"type": "interpolation", "weak": "small", "strong": "large", "smoothing": 0.9},
        },
    },
    "demo-rasch": {"posterior": {"type": "rasch", "references": ["small", "large"]}},
    "demo-random": {
        "posterior": {"type": "rasch", "references": ["small", "large"]},
        "policy": {"type": "random"},
    },
}


def made_runs(
    steps: int = STEPS, seed: int = 7
) -> Iterator[tuple[str, Iterator[Mapping[str, Any]], TaskTable]]:
    """Name, events and tasks of each run."""
    rng = np.random.default_rng(seed)
    domains = rng.choice(list(DOMAINS), TASKS, p=[0.5, 0.3, 0.2]).tolist()
    difficulty = rng.normal(0.6, 1.5, TASKS)
    rates = {"small": _pass_rate(difficulty + 0.9), "large": _pass_rate(difficulty - 1.2)}
    table = table_of(
        Task(
            id=f"{domain}/{number:04}",
            domain=domain,
            references={name: float(rng.binomial(16, rate[number]) / 16) for name, rate in rates.items()},
        )
        for number, domain in enumerate(domains)
    )
    for name, more in _POLICIES.items():
        yield name, _events(table, difficulty, more, steps, seed), table


def _pass_rate(off: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(off))


def _events(
    table: TaskTable, difficulty: np.ndarray, more: Mapping[str, Any], steps: int, seed: int
) -> Iterator[Mapping[str, Any]]:
    config = RunConfig.from_dict({"pool": "demo", "seed": seed, **more})
    rng = np.random.default_rng(seed + 1)
    begun = int(1000 * (time.time() - _SECONDS_A_STEP * steps - 20))
    created: dict[str, Any] = {
        "type": "created",
        "at": begun,
        "version": LOG_VERSION,
        "config": config.to_dict(),
        "tasks": len(table),
    }
    yield created
    state = fold(None, created, table)
    level = np.array([DOMAINS[name] for name in table.domains])
    odd = rng.permutation(len(table))
    broken, slow = odd[:_BROKEN], odd[_BROKEN : _BROKEN + _SLOW]
    for step in range(steps):
        at = begun + 1000 * _SECONDS_A_STEP * step
        tasks = select(state, BATCH).tasks
        selection = f"s{step + 1}"
        events: list[dict[str, Any]] = [
            {
                "type": "selected",
                "at": at,
                "selection": selection,
                "key": f"step-{step}",
                "step": step,
                "policy_version": step,
                "batch_size": BATCH,
                "tasks": table.ids(tasks),
                "expires_at": at + 3_600_000,
            }
        ]
        codes = table.domain_codes[tasks]
        chance = _pass_rate(difficulty[tasks] - level[codes])
        chance[np.isin(tasks, broken)] = 0.0
        passed = rng.binomial(ROLLOUTS, chance)
        late = np.isin(tasks, slow) & (rng.random(BATCH) < 0.7)
        if late.any():
            drops = [[int(place), "timeout"] for place in np.flatnonzero(late)]
            events.append({"type": "dropped", "at": at + 30_000, "selection": selection, "drops": drops})
        told = {"policy_version": step - int(rng.random() < 0.3)}
        rows = [[int(place), int(passed[place]), ROLLOUTS, told] for place in np.flatnonzero(~late)]
        events.append(
            {
                "type": "committed",
                "at": at + 40_000,
                "selection": selection,
                "reason": "complete",
                "closes": [selection],
                "outcomes": {selection: rows},
            }
        )
        for event in events:
            yield event
            state = fold(state, event, table)
        teaches = (passed > 0) & (passed < ROLLOUTS) & ~late
        level += _LEARNED * np.bincount(codes[teaches], minlength=len(level)) * np.array([1.0, 1.4, 1.0])
