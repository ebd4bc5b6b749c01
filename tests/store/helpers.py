"""Short ways to say what tests of the store do."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from selector_api.core.config import RunConfig
from selector_api.core.task_rows import TaskRows
from selector_api.core.tasks import DEFAULT_DOMAIN
from selector_api.store.codec import Outcome, decode_events
from selector_api.store.keys import run_keys
from selector_api.store.log_parts import Bookmark
from selector_api.store.receipts import Reported
from selector_api.store.scripts import Scripts
from selector_api.store.store import Store

POOL = "pool"
RUN = "run"
HOUR = 3_600_000


def task_rows(count: int, prefix: str = "t", domain: str = DEFAULT_DOMAIN, **references: float) -> TaskRows:
    """`count` tasks, all with these references."""
    return TaskRows.of(
        [f"{prefix}{number}" for number in range(count)], [domain] * count, [dict(references)] * count
    )


async def make_run(store: Store, tasks: int = 10, **config: Any) -> None:
    """The run `RUN` over the pool `POOL` with this many tasks."""
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(tasks))
    await store.runs.create(RUN, RunConfig(pool=POOL, **config))


@dataclass(frozen=True)
class Selection:
    """A selection, as its event tells it."""

    selection: str
    step: int
    tasks: list[str]
    expires_at: int
    replayed: bool
    explain: list[dict[str, Any]] | None


async def select(
    store: Store, batch_size: int = 4, key: str | None = None, explain: bool = False
) -> Selection:
    live_run = await store.live_runs.of(RUN)
    event, replayed = await live_run.select(batch_size, key, explain)
    return Selection(
        event["selection"],
        event["step"],
        event["tasks"],
        event["expires_at"],
        replayed,
        event.get("explain") if explain else None,
    )


def rows(event: dict[str, Any]) -> list[list[Any]]:
    """The rows of an event's outcomes, of whatever selections."""
    outcomes = event["outcomes"]
    return outcomes if isinstance(outcomes, list) else [row for part in outcomes.values() for row in part]


def outcomes(tasks: Iterable[str], successes: float = 1.0, trials: int = 2) -> list[Outcome]:
    return [Outcome(task, successes, trials) for task in tasks]


async def report(
    store: Store, selection: Selection, tasks: Iterable[str], successes: float = 1.0, final: bool = False
) -> Reported:
    return await store.logs.report(RUN, selection.selection, outcomes(tasks, successes), final)


async def work(store: Store, key: str) -> None:
    """A step under a key, which gives the same selection again."""
    selection = await select(store, key=key)
    assert (await report(store, selection, selection.tasks)).accepted == len(selection.tasks)
    assert (await select(store, key=key)).selection == selection.selection


async def read_events(store: Store, run: str = RUN) -> list[dict[str, Any]]:
    """The log as it stands, without closing what is due."""
    lines = await store.redis.execute_command("LRANGE", run_keys(run).log, 0, -1)
    return decode_events(lines)


async def read_types(store: Store) -> list[str]:
    return [event["type"] for event in await read_events(store)]


async def end_lease(store: Store, selection: Selection, at: int = 1) -> None:
    """Let a lease end at this unix ms, which is long ago."""
    await store.redis.zadd(run_keys(RUN).leases, {selection.selection: at}, xx=True)


async def notice_ended_leases(store: Store) -> None:
    """What any call does first."""
    await store.logs.read(await store.runs.find(RUN), Bookmark(0))


async def put_back(store: Store) -> None:
    """What stands in Redis once its clock was put back by an hour: all is of a later time."""
    keys = run_keys(RUN)
    lines: list[bytes] = await store.redis.execute_command("LRANGE", keys.log, 0, -1)
    for place, line in enumerate(lines):
        later = re.sub(
            rb'"(at|expires_at)":(\d+)', lambda found: b'"%b":%d' % (found[1], int(found[2]) + HOUR), line
        )
        await store.redis.execute_command("LSET", keys.log, place, later)
    for selection, until in await store.redis.zrange(keys.leases, 0, -1, withscores=True):
        await store.redis.execute_command("ZADD", keys.leases, float(str(until)) + HOUR, selection)


def before_script(patch: pytest.MonkeyPatch, script: str, happens: Callable[[], Awaitable[Any]]) -> None:
    """Let something happen just before a script runs for the first time."""
    call, calls = Scripts._call, list[str]()

    async def with_that(self: Scripts, name: str, *args: Any) -> Any:
        if name == script and not calls:
            calls.append(name)
            await happens()
        return await call(self, name, *args)

    patch.setattr(Scripts, "_call", with_that)
