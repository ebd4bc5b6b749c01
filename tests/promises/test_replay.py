"""Folding an exported log gives what the live replicas have, bit for bit, and the same next selections."""

from __future__ import annotations

import random
from typing import Any

from selector_api.store.keys import run_keys
from tests.promises.logs import check_dense, check_order, check_replay, dense_run
from tests.promises.pair import SNAPSHOT_EVERY, Pair, Run, ok, outcome, tasks_of, until

IMPLICIT = {"type": "interpolation", "weak": "weak", "strong": "strong"}
SHARES = {"math": 0.5, "code": 0.25, "default": 0.25}
POLICIES: list[dict[str, Any]] = [
    {"type": "thompson"},
    {"type": "thompson", "temperature": 0.05, "target": 0.3},
    {"type": "thompson", "exploration": 0.3, "domains": SHARES},
    {"type": "posterior-mean", "exploration": 0.2},
    {"type": "posterior-mean", "temperature": 0.1, "domains": SHARES},
    {"type": "random"},
    {"type": "shuffle", "domains": SHARES},
    {"type": "shuffle"},
    {"type": "sequential", "domains": SHARES},
    {"type": "sequential"},
    {"type": "easy-to-hard"},
]


def live(run: Run, rng: random.Random) -> None:
    """Selections that end in every way, some that stay open, and tasks that join, by both replicas."""
    for step in range(14):
        if step % 5 == 2:
            run.grow(step % 2, tasks_of(9, first=100 * step))
        if step % 5 == 3:
            run.withhold(step % 2, rng.choice(["exclude", "retire"]), [f"t{rng.randint(0, 39)}"])
            run.withhold(step % 2, rng.choice(["include", "restore"]), [f"t{rng.randint(0, 39)}"])
            run.patch(step % 2, lease_seconds=60 + step, policy=POLICIES[rng.randrange(len(POLICIES))])
        selection = ok(run.select(step % 2, rng.randint(1, 5)))
        name, tasks = selection["selection"], selection["tasks"]
        reported = rng.sample(tasks, rng.randint(0, len(tasks)))
        outcomes = [outcome(task, rng.randint(0, 32) / 2) for task in reported]
        final = rng.random() < 0.6
        if outcomes or final:
            ok(run.report(1 - step % 2, name, outcomes, final=final))
        if rng.random() < 0.5:
            run.end_lease(name)


def snapshot_and_tail(run: Run, *, selecting: bool) -> None:
    """Bring about that the newest snapshot lacks the last events: a selection, or nothing but commits."""
    for number in range(SNAPSHOT_EVERY):
        ok(run.report(0, None, [outcome("t0", 1), outcome("t200", number)], key=f"before-{number}"))
    length = len(run.events(0))
    until(lambda: run.view(0)["step"] > 0 and snapshot_seq(run) == length)
    ok(run.report(1, None, [outcome("t1", 3)], key="after"))
    if selecting:
        ok(run.select(1, 2))
    assert 0 < snapshot_seq(run) < len(run.events(1))


def snapshot_seq(run: Run) -> int:
    return int(run.pair.redis.hget(run_keys(run.name).snapshot, "seq") or 0)


def test_replay_against_live_and_after_crashes_from_snapshot_and_tail(pair: Pair):
    runs = []
    for seed, policy in enumerate(POLICIES):
        print(f"seed {seed}: {policy}")
        run = Run(pair, tasks_of(40), seed=seed, policy=policy, implicit=IMPLICIT)
        live(run, random.Random(seed))
        check_replay(run)
        check_order(run.events(0))
        snapshot_and_tail(run, selecting=seed % 2 == 0)
        runs.append(run)

    pair.crash()
    for run in runs:
        print(f"after the crash: {run.view(0)['config']}")
        check_dense(run.posteriors(1), dense_run(run.events(0), run.tasks))
        check_replay(run)
