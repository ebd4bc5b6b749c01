"""A run that was saved to a file, put into a store of its own to be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from selector_api.core.config import RunConfig
from selector_api.core.tasks import TaskTable
from selector_api.store.codec import dumps
from selector_api.store.keys import run_keys
from selector_api.store.store import Store

_AT_ONCE = 200
_TASKS_AT_ONCE = 100_000
_OF_A_STORE = ("seq", "chunks")
"""What events tell that is true of the store in which they were made alone."""


async def put(store: Store, run: str, events: Iterable[Mapping[str, Any]], table: TaskTable) -> None:
    """Make a run with this log, over a pool of these tasks; there is none of its name yet.

    What deduplicates is not made: nobody trains on a run that is looked at.

    Raises:
        StoreError: the run cannot be made from these tasks.
        ValueError: the log does not begin with `created`.
    """
    log = iter(events)
    first = next(log, None)
    if first is None or first["type"] != "created":
        raise ValueError("the log does not begin with its run's creation")
    config = RunConfig.from_dict(first["config"])
    await store.pools.create(config.pool)
    for start in range(0, len(table), _TASKS_AT_ONCE):
        end = min(start + _TASKS_AT_ONCE, len(table))
        await store.pools.add_tasks(config.pool, table.rows.slice(start, end))
    await store.runs.create(run, replace(config, fork=None))  # the parent's events are in the log already
    keys = run_keys(run)
    await store.redis.execute_command("DEL", keys.log)
    waiting, step, committed_at = [_line(first)], 0, None
    for event in log:
        waiting.append(_line(event))
        if event["type"] == "committed":
            step, committed_at = step + 1, event.get("at")
        if len(waiting) == _AT_ONCE:
            await store.redis.execute_command("RPUSH", keys.log, *waiting)
            waiting.clear()
    if waiting:
        await store.redis.execute_command("RPUSH", keys.log, *waiting)
    noted = () if committed_at is None else ("committed_at", committed_at)
    config_ = ("config", dumps(config.to_dict())) if config.fork else ()
    await store.redis.execute_command("HSET", keys.meta, "step", step, *noted, *config_)


def _line(event: Mapping[str, Any]) -> str:
    return dumps({name: value for name, value in event.items() if name not in _OF_A_STORE})
