"""A scenario: eight workers, faults in some order, and afterwards the log against the model."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

from tests.faults.model import violations
from tests.faults.system import System
from tests.faults.workers import TASKS, Worker
from trainer_client import SelectorClient
from trainer_client.models import Task

WORKERS = 8
LONGEST_PAUSE = 0.06
FINISH_SECONDS = 120.0


def run_scenario(
    system: System, run: str, kinds: Sequence[tuple[str, float]], faults: int, seed: int
) -> dict[str, Any]:
    """Inject so many faults of these kinds, drawn by their weights, while workers train; then judge the log.

    Returns:
        Figures: faults by kind, acknowledged outcomes, and how many of them came back after they were lost.
    """
    rng = random.Random(seed)
    system.begin(rng)
    with SelectorClient(system.url, timeout=120) as admin:
        admin.create_pool(run)
        admin.add_tasks(run, [Task(id=task) for task in TASKS])
        admin.create_run(run, run)
    workers = [Worker(system.url, run, number, seed, system.folder / run) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    names, weights = [name for name, _ in kinds], [weight for _, weight in kinds]
    while system.injected.total() < faults:
        time.sleep(rng.uniform(0, LONGEST_PAUSE))
        system.inject(rng.choices(names, weights)[0])
    for worker in workers:
        worker.stop()
    for worker in workers:
        worker.join(FINISH_SECONDS)
        assert not worker.is_alive(), told(system, seed, [f"{worker.name} hangs"])
        assert worker.error is None, told(system, seed, [f"{worker.name}: {worker.error!r}"])
    for worker in workers:
        worker.finish()
    with SelectorClient(system.url, run, timeout=120) as reader:
        # A worker gives a selection up that a service does not know, which still has a connection to the former
        # primary: what it had reported of it waits at the other one for the end of the lease.
        left = list(reader.selections("open"))
        for selection in left:
            reader.release(selection.selection)
        events = list(reader.events())
    sent = set[Any]().union(*(worker.sent for worker in workers))
    acknowledged = set[Any]().union(*(worker.acknowledged for worker in workers))
    found = violations(events, sent, acknowledged)
    assert not found, told(system, seed, found)
    resent = sum(
        len(event["outcomes"])
        for event in events
        if event["type"] == "committed" and event["reason"] == "unsolicited" and event["key"].startswith("s")
    )
    return {
        "seed": seed,
        "faults": dict(system.injected),
        "acknowledged": len(acknowledged),
        "rewound": sum(event["type"] == "rewound" for event in events),
        "came back without their selection": resent,
        "selections left open": len(left),
        "lost before they were reported": sum(worker.unknown for worker in workers),
    }


def told(system: System, seed: int, found: list[str]) -> str:
    """What to say of a scenario that failed."""
    return "\n".join(
        [f"seed {seed}: {len(found)} violations", *found[:20], "faults:", *system.history[-200:]]
    )
