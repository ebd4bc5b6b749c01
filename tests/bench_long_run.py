"""What a long run costs: bytes of Redis a commit, by key, and how long a select and its report take late in it.

It makes a run of so many commits of 16 groups of 8 rollouts, over 10,000 tasks with two references, on a Valkey of
its own, and then lets it and a new run go on in turns. `--horizon-days 1e-9` shows what is left behind the horizon.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from pathlib import Path
from statistics import median

from selector_api.core.config import RunConfig
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.core.task_rows import TaskRows
from selector_api.store.codec import Outcome
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.keys import run_keys
from selector_api.store.store import Store, open_store

POOL, TASKS, BATCH, ROLLOUTS = "pool", 10_000, 16, 8
CONFIG = RunConfig(pool=POOL, posterior=Bots(implicit=Interpolation("weak", "strong")))
MEASURED = (1_000, 5_000, 20_000, 100_000)
"""Commits after which the keys are measured."""


async def main(commits: int, horizon_days: float) -> None:
    """Make the runs and print what they cost."""
    rng = random.Random(3)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            EmbeddedValkey(Path(folder), fsync="everysec") as valkey,
            open_store(valkey.url, horizon_days=horizon_days) as store,
        ):
            await store.pools.create(POOL)
            rates = [{"weak": rng.randrange(9) / 8, "strong": rng.randrange(9) / 8} for _ in range(TASKS)]
            ids = [f"task-{number:05}" for number in range(TASKS)]
            await store.pools.add_tasks(POOL, TaskRows.of(ids, ["math", "code"] * (TASKS // 2), rates))
            for run in ("old", "new"):
                await store.runs.create(run, CONFIG)
            for step in range(commits - 1_000):
                await pair(store, "old", step, rng)
                if step + 1 in MEASURED:
                    await print_bytes(store, "old", step + 1)
            taken: dict[str, list[float]] = {"old": [], "new": []}
            for step in range(1_000):
                taken["old"].append(await pair(store, "old", commits - 1_000 + step, rng))
                taken["new"].append(await pair(store, "new", step, rng))
            await print_bytes(store, "old", commits)
            await print_bytes(store, "new", 1_000)
            for run, seconds in taken.items():
                print(
                    f"{run}: select and report, p50 {1000 * median(seconds):.3f} ms, "
                    f"mean {sum(seconds):.3f} ms, p99 {1000 * sorted(seconds)[989]:.3f} ms"
                )
            print(
                f"p50 of the last thousand / of the first: {median(taken['old']) / median(taken['new']):.3f}"
            )


async def pair(store: Store, run: str, step: int, rng: random.Random) -> float:
    """One select and its report; the seconds that they took."""
    started = time.perf_counter()
    live_run = await store.live_runs.of(run)
    event, _ = await live_run.select(BATCH, f"step-{step}")
    outcomes = [Outcome(task, rng.randrange(ROLLOUTS + 1), ROLLOUTS) for task in event["tasks"]]
    await store.logs.report(run, event["selection"], outcomes)
    return time.perf_counter() - started


async def print_bytes(store: Store, run: str, commits: int) -> None:
    """What Redis holds of a run, by key, as bytes a commit."""
    total = 0
    words: list[str] = []
    for name, key in run_keys(run)._asdict().items():
        size = int(await store.redis.execute_command("MEMORY", "USAGE", key, "SAMPLES", 0) or 0)
        total += size
        words.append(f"{name} {size / commits:.0f}")
    print(f"{run}, {commits} commits: {total / commits:.0f} bytes a commit ({', '.join(words)})", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=20_000)
    parser.add_argument("--horizon-days", type=float, default=30)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.commits, arguments.horizon_days))
