"""`python -m tests.bench_settings`: few tasks and late reports in a simulated training (docs/how-to/settings.md).

A task passes as likely as the model's level in its domain is above the task's difficulty; each informative group
raises the level. There are no references. Five seeds, 120 steps of 16 tasks × 8 rollouts; two minutes of one core.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bots.replay_logs import table_of
from bots.view_demo import DOMAINS
from selector_api.core.calibration import Calibration, error_of
from selector_api.core.config import RunConfig
from selector_api.core.fold import LOG_VERSION, fold
from selector_api.core.select import select
from trainer_client import Task

SEEDS, STEPS, BATCH, ROLLOUTS = 5, 120, 16, 8
LEARNED = 0.0032
CASES = [(48, 0), (240, 0), (2400, 0), (2400, 1), (2400, 4), (2400, 16)]
"""Tasks of the pool, and by how many batches reports are late."""
SLOW = {"type": "bots", "forgetting": 0.01, "implicit_weight": 0.01}
KINDS: dict[str, dict[str, Any]] = {
    "random": {"posterior": SLOW, "policy": {"type": "random"}},
    "bots, 0.1": {"posterior": {"type": "bots"}},
    "bots, 0.01": {"posterior": SLOW},
    "rasch": {"posterior": {"type": "rasch"}},
}


def trained(config: Mapping[str, Any], tasks: int, late: int, seed: int) -> tuple[float, float]:
    """Effective task ratio of a training's last two thirds, and the calibration error at its end."""
    chance = np.random.default_rng(seed)
    domains = chance.choice(list(DOMAINS), tasks, p=[0.5, 0.3, 0.2]).tolist()
    difficulty = chance.normal(0.6, 2.0, tasks)
    table = table_of(Task(id=f"{domain}/{n:05}", domain=domain) for n, domain in enumerate(domains))
    run = RunConfig.from_dict({"pool": "pool", "seed": seed, **config}).to_dict()
    created = {"type": "created", "at": 0, "version": LOG_VERSION, "config": run, "tasks": tasks}
    state = fold(None, created, table)
    level = np.array([DOMAINS[name] for name in table.domains])
    waiting: list[tuple[str, np.ndarray, np.ndarray]] = []
    informative: list[float] = []
    for step in range(STEPS + late):
        if step < STEPS:
            chosen, name = select(state, BATCH).tasks, f"s{step}"
            event = {"type": "selected", "at": step, "selection": name, "tasks": table.ids(chosen)}
            state = fold(state, event, table)
            codes = table.domain_codes[chosen]
            passes = 1.0 / (1.0 + np.exp(difficulty[chosen] - level[codes]))
            waiting.append((name, codes, chance.binomial(ROLLOUTS, passes)))
        if len(waiting) > late or step >= STEPS:
            name, codes, passed = waiting.pop(0)
            rows = [[place, int(count), ROLLOUTS] for place, count in enumerate(passed.tolist())]
            commit = {
                "type": "committed",
                "at": step,
                "selection": name,
                "reason": "complete",
                "closes": [name],
            }
            state = fold(state, commit | {"outcomes": {name: rows}}, table)
            teaches = (passed > 0) & (passed < ROLLOUTS)
            informative.append(float(teaches.mean()))
            level = level + LEARNED * np.bincount(codes[teaches], minlength=len(level))
    return float(np.mean(informative[STEPS // 3 :])), error_of(Calibration.of(state.calibration).bins) or 0.0


def main() -> None:
    """Train all, and show them."""
    shown = Table("tasks", "late by", "", "ETR", "above random (sd)", "calibration error")
    for tasks, late in CASES:
        base: list[float] = []
        for name, config in KINDS.items():
            ratios, errors = zip(*(trained(config, tasks, late, seed) for seed in range(SEEDS)), strict=True)
            base = base or list(ratios)
            above = np.subtract(ratios, base)
            shown.add_row(
                f"{tasks:,}",
                str(late),
                name,
                f"{np.mean(ratios):.3f}",
                f"{above.mean():+.3f} ({above.std(ddof=1):.3f})",
                f"{np.mean(errors):.3f}",
            )
    Console().print(shown)


if __name__ == "__main__":
    main()
