"""What a Redis holds, as JSON, and back: data that a release wrote, kept for the releases after it.

Made of plain commands, not of DUMP or an RDB file, whose formats are the server's own.

`python -m tests.store.dumps FILE` writes a new one with the code as it is. What is kept is never written again.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from base64 import b64decode, b64encode
from importlib.metadata import version
from pathlib import Path
from typing import Any

from selector_api.core.config import RunConfig
from selector_api.core.policies import Thompson
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.store.connection import StoreClient
from selector_api.store.embedded_valkey import EmbeddedValkey
from selector_api.store.store import Store, open_store
from tests.promises.logs import rows_of, view_of
from tests.store.helpers import POOL, RUN, end_lease, notice_ended_leases, outcomes, report, select, task_rows

SNAPSHOT_EVERY = 10
CONFIG = RunConfig(
    pool=POOL,
    seed=7,
    posterior=Bots(implicit=Interpolation("weak", "strong")),
    policy=Thompson(exploration=0.1),
)


async def dump(redis: StoreClient) -> dict[str, Any]:
    """Every key, with its type and its content."""
    keys = [
        key for server in await redis.servers() for key in await server.execute_command("KEYS", "*") or ()
    ]
    return {_text(key): await _dumped(redis, key) for key in sorted(keys)}


async def _dumped(redis: StoreClient, key: bytes) -> dict[str, Any]:
    kind = (await redis.execute_command("TYPE", key)).decode()
    if kind == "hash":
        fields = await redis.execute_command("HGETALL", key)
        return {"hash": {_text(field): _text(value) for field, value in sorted(fields.items())}}
    if kind == "list":
        return {"list": [_text(item) for item in await redis.execute_command("LRANGE", key, 0, -1)]}
    if kind == "zset":
        members = await redis.execute_command("ZRANGE", key, 0, -1, "WITHSCORES", withscores=True)
        return {"zset": {_text(member): score for member, score in members}}
    raise ValueError(f"{key!r} is a {kind}: say here how one is kept")


async def load(redis: StoreClient, dumped: dict[str, Any]) -> None:
    """Put what was dumped into an empty Redis."""
    for key, content in dumped.items():
        ((kind, values),) = content.items()
        if kind == "hash":
            pairs = [part for field, value in values.items() for part in (_bytes(field), _bytes(value))]
            await redis.execute_command("HSET", _bytes(key), *pairs)
        elif kind == "list":
            await redis.execute_command("RPUSH", _bytes(key), *map(_bytes, values))
        else:
            pairs = [part for member, score in values.items() for part in (score, _bytes(member))]
            await redis.execute_command("ZADD", _bytes(key), *pairs)


async def fall_back(redis: StoreClient, dumped: dict[str, Any]) -> None:
    """Let Redis be what it was when it was dumped, as behind a failover to a Redis replica that lagged."""
    await redis.execute_command("FLUSHDB")
    await load(redis, dumped)


def _text(data: bytes) -> str:
    """UTF-8 as it is, what is none as base64."""
    try:
        return "text:" + data.decode()
    except UnicodeDecodeError:
        return "base64:" + b64encode(data).decode()


def _bytes(text: str) -> bytes:
    kind, _, content = text.partition(":")
    return content.encode() if kind == "text" else b64decode(content)


async def _write(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            EmbeddedValkey(Path(folder)) as valkey,
            open_store(valkey.url, SNAPSHOT_EVERY) as store,
        ):
            token = await store.tokens.create("trainer", ["train"])
            await _work(store)
            live_run = await store.live_runs.of(RUN)
            content = {
                "release": version("bots-selector"),
                "token": token,
                "view": await live_run.read(view_of),
                "posteriors": await live_run.read(rows_of),
                "keys": await dump(store.redis),
            }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


async def _work(store: Store) -> None:
    """A run with every kind of event, and with a selection of which a part is known."""
    await store.pools.create(POOL)
    for domain, weak, strong in (("math", 0.125, 0.75), ("code", 0.0, 0.5)):
        await store.pools.add_tasks(POOL, task_rows(12, domain, domain, weak=weak, strong=strong))
    await store.runs.create(RUN, CONFIG)
    for step in range(6):
        selection = await select(store, 4, f"step-{step}", explain=step == 2)
        await report(store, selection, selection.tasks, successes=step % 3 / 2)
    await store.pools.add_tasks(POOL, task_rows(5, "grown", "math", weak=0.25))
    part = await select(store)
    await report(store, part, part.tasks[:2], final=True)
    await report(store, part, part.tasks[2:3])
    await report(store, await select(store), [], final=True)
    for reported in (1, 0):
        late = await select(store)
        await report(store, late, late.tasks[:reported])
        await end_lease(store, late)
        await notice_ended_leases(store)
    await store.logs.report_unsolicited(RUN, "away", outcomes(["math3", "grown1"]))
    part = await select(store)
    await report(store, part, part.tasks[:3])


if __name__ == "__main__":
    asyncio.run(_write(Path(sys.argv[1])))
