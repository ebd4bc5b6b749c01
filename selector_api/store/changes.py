"""Changes of a run while it goes on: how it is configured, and which tasks it draws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selector_api.core.config import RunChange, RunConfig
from selector_api.core.state import RunState
from selector_api.store.codec import dumps, event_fields
from selector_api.store.connection import StoreClient
from selector_api.store.keys import run_keys
from selector_api.store.live_runs import LiveRuns
from selector_api.store.pools import Pools
from selector_api.store.refusals import UnknownRun, UnknownTask
from selector_api.store.run_configs import check_names, enter_text
from selector_api.store.runs import Runs
from selector_api.store.scripts import Scripts


@dataclass(frozen=True)
class Excluded:
    """What became of a call."""

    changed: int
    """Tasks that were not so before."""
    excluded: int
    """Tasks that the run itself excludes now."""


class Changes:
    """Changes runs that go on."""

    def __init__(
        self, redis: StoreClient, scripts: Scripts, pools: Pools, runs: Runs, live_runs: LiveRuns
    ) -> None:
        self._redis = redis
        self._scripts = scripts
        self._pools = pools
        self._runs = runs
        self._live_runs = live_runs

    async def configure(self, name: str, change: RunChange) -> None:
        """Let a run go on with another configuration; what is so already changes nothing.

        Raises:
            UnknownRun: there is no such run.
            UnknownPool: its pool is gone.
            UnknownReference, UnknownDomain: the configuration names one that the pool does not have.
            NoReferences: the policy goes by references, and there are none.
        """
        while True:
            incarnation, before, changes = await self._redis.read_fields(
                run_keys(name).meta, "incarnation", "config", "changes"
            )
            if incarnation is None or before is None:
                raise UnknownRun(name)
            config = RunConfig.from_dict(json.loads(before))
            change = change.beyond(config)
            after = change.of(config)
            if after == config:
                return
            check_names(after, await self._pools.table(config.pool))
            (status,) = await self._scripts.run(
                "configure",
                run_keys(name),
                incarnation,
                before,
                dumps(after.to_dict()),
                enter_text(after),
                event_fields(change.to_dict()),
                changes or b"0",
            )
            if status == b"ok":
                return

    async def exclude(self, name: str, tasks: Sequence[str], kind: str) -> Excluded:
        """Let a run draw these tasks no more ("excluded"), or again ("included").

        Raises:
            UnknownRun: there is no such run.
            UnknownTask: it has no such task; then nothing was changed.
        """
        live_run = await self._live_runs.of(name)

        def changed(state: RunState) -> tuple[list[str], int, int, int]:
            found = state.table.find(tasks)
            (unknown,) = np.nonzero((found < 0) | (found >= state.size))
            if len(unknown):
                raise UnknownTask(tasks[int(unknown[0])], state.table.first_ids(state.size))
            is_so = state.withheld.by_run(found) == (kind == "excluded")
            others = dict.fromkeys(
                task for task, is_so in zip(tasks, is_so.tolist(), strict=True) if not is_so
            )
            return list(others), state.withheld.count_by_run, state.changes, state.size

        while True:
            run = await self._runs.find(name)
            try:
                others, count, changes, size = await live_run.read(changed)
            except UnknownTask:
                # Whoever added it to the pool may not have told the run yet, or Redis has lost that.
                table = await self._pools.join(run.pool, run.name, run.pool_incarnation)
                if table is None or len(table) <= run.tasks:
                    raise
                continue
            if not others:
                return Excluded(0, count)
            fields = event_fields({"by": "run", "tasks": others})
            (status,) = await self._scripts.run(
                "exclude", run_keys(name), run.incarnation, changes, size, kind, fields
            )
            if status == b"ok":
                return Excluded(len(others), count + (len(others) if kind == "excluded" else -len(others)))
