"""What a pool retires and restores, and how its runs follow.

A pool keeps what was retired and restored in a list, and each run how much of that list it has followed: so whoever
finds a run behind brings it up to date, and no two bring it there in another order.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selector_api.store.codec import dumps, event_fields
from selector_api.store.connection import StoreClient
from selector_api.store.errors import Overloaded
from selector_api.store.keys import pool_keys, run_keys
from selector_api.store.pools import Pools
from selector_api.store.refusals import UnknownPool, UnknownTask
from selector_api.store.scripts import Scripts

_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Retired:
    """What became of a call."""

    changed: int
    """Tasks that were not so before."""
    retired: int
    """Tasks of the pool that are retired now."""


class Retirements:
    """The tasks that no run of a pool draws any more."""

    def __init__(self, redis: StoreClient, scripts: Scripts, pools: Pools) -> None:
        self._redis = redis
        self._scripts = scripts
        self._pools = pools

    async def retire(self, pool: str, tasks: Sequence[str], kind: str) -> Retired:
        """Let no run draw these tasks ("excluded"), or let them draw these again ("included").

        Also when nothing changes the pool's runs are brought up to date: so a call that is made again completes one
        that was interrupted.

        Raises:
            UnknownPool: there is no such pool.
            UnknownTask: it has no such task; then nothing was changed.
            Overloaded: other callers kept retiring tasks at the same time.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            incarnation, table = await self._pools.read(pool)
            (unknown,) = np.nonzero(table.find(tasks) < 0)
            if len(unknown):
                raise UnknownTask(tasks[int(unknown[0])], table.first_ids(len(table)))
            changes = await self.changes(pool)
            retired = _retired(changes)
            changed = [task for task in dict.fromkeys(tasks) if (task in retired) != (kind == "excluded")]
            if changed:
                entry = dumps({kind: changed})
                (status,) = await self._scripts.pool(
                    "pool_retire", pool_keys(pool), incarnation, len(changes), entry
                )
                if status == b"unknown-pool":
                    raise UnknownPool(pool)
                if status == b"moved":
                    if time.monotonic() > deadline:
                        raise Overloaded("pool")
                    continue
            changes = await self.changes(pool)
            for run in await self._pools.registered(pool):
                await self._pools.grow(run, incarnation, len(table))
                await self.follow(run, incarnation, changes)
            left = len(retired) + (len(changed) if kind == "excluded" else -len(changed))
            return Retired(len(changed), left)

    async def retired(self, pool: str) -> set[str]:
        """The tasks that are retired now."""
        return _retired(await self.changes(pool))

    async def follow(self, run: str, incarnation: str, changes: Sequence[dict[str, list[str]]]) -> None:
        """Bring a run of this incarnation of the pool up to these changes; it has all tasks that they name."""
        while True:
            of_run = await self._redis.read_fields(run_keys(run).meta, "pool_incarnation", "retirements")
            followed = int(of_run[1] or 0)
            if of_run[0] != incarnation.encode() or followed >= len(changes):
                return
            before, now = _retired(changes[:followed]), _retired(changes)
            events = [
                text
                for kind, tasks in (("excluded", sorted(now - before)), ("included", sorted(before - now)))
                if tasks
                for text in (kind, event_fields({"by": "pool", "tasks": tasks}))
            ]
            if await self._scripts.run("retire", run_keys(run), incarnation, followed, len(changes), *events):
                return

    async def changes(self, pool: str) -> list[dict[str, list[str]]]:
        """What was retired and restored, in order: `excluded` or `included` and the ids."""
        entries = await self._redis.execute_command("LRANGE", pool_keys(pool).retirements, 0, -1)
        return [json.loads(entry) for entry in entries]


def _retired(changes: Sequence[dict[str, list[str]]]) -> set[str]:
    retired: set[str] = set()
    for change in changes:
        retired.update(change.get("excluded", ()))
        retired.difference_update(change.get("included", ()))
    return retired
