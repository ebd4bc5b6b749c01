"""The store as a whole: what a service opens once and closes at its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from selector_api.store.archives import Archives
from selector_api.store.changes import Changes
from selector_api.store.connection import StoreClient, connect
from selector_api.store.forks import Forks
from selector_api.store.live_run import LiveRun
from selector_api.store.live_runs import LiveRuns
from selector_api.store.log import Logs
from selector_api.store.names import Names
from selector_api.store.pools import Pools
from selector_api.store.retirements import Retirements
from selector_api.store.runs import Runs
from selector_api.store.scripts import Scripts
from selector_api.store.selections import Selections
from selector_api.store.snapshots import Snapshots
from selector_api.store.threads import Threads
from selector_api.store.tokens import Tokens


@dataclass(frozen=True)
class Store:
    """Pools, runs with their logs and snapshots, live runs, and tokens on one Redis or Valkey."""

    redis: StoreClient
    pools: Pools
    runs: Runs
    logs: Logs
    snapshots: Snapshots
    live_runs: LiveRuns
    tokens: Tokens
    names: Names
    retirements: Retirements
    forks: Forks
    changes: Changes
    selections: Selections
    archives: Archives


@asynccontextmanager
async def open_store(
    url: str, snapshot_every: int = 512, patience: float = 10.0, horizon_days: float = 30.0
) -> AsyncGenerator[Store, None]:
    """The store on the server at `url`. Connects when it is first used: see `connection.check_server`.

    Args:
        url: redis://, unix://, redis+cluster:// or redis+sentinel://, or by TLS rediss:// and rediss+….
        snapshot_every: events after which a live run writes a snapshot.
        patience: seconds for which a selection is drawn again because others came first.
        horizon_days: days after which what deduplicates is forgotten, and events are packed.
    """
    # Threads of their own for pools: an import of a million tasks must not hold up a selection.
    threads, pool_threads = Threads(), Threads()
    redis = connect(url)
    try:
        scripts = Scripts(redis)
        names = Names(redis)
        pools = Pools(redis, scripts, pool_threads, names)
        snapshots = Snapshots(redis, scripts)
        retirements = Retirements(redis, scripts, pools, snapshots, pool_threads)
        runs = Runs(redis, scripts, pools, retirements, names, pool_threads)
        logs = Logs(scripts, runs, pools, threads, horizon_days)
        archives = Archives(redis, scripts, threads, horizon_days)
        forks = Forks(scripts, runs, logs, snapshots, threads)

        def begin(run: str) -> LiveRun:
            return LiveRun(run, runs, logs, snapshots, archives, pools, threads, snapshot_every, patience)

        live_runs = LiveRuns(runs, begin)
        changes = Changes(redis, scripts, pools, runs, live_runs)
        yield Store(
            redis,
            pools,
            runs,
            logs,
            snapshots,
            live_runs,
            Tokens(redis),
            names,
            retirements,
            forks,
            changes,
            Selections(redis, threads),
            archives,
        )
        await live_runs.close()
    finally:
        await redis.aclose()
        threads.close()
        pool_threads.close()
