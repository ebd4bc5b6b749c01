"""What an earlier release wrote is read by this one; what a later one writes is refused with a reason."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selector_api.core.config import Fork, RunConfig
from selector_api.core.posteriors.rasch import Rasch
from selector_api.store.connection import StoreClient
from selector_api.store.errors import UnreadableData
from selector_api.store.keys import pool_keys, run_keys
from selector_api.store.refusals import RunConflict
from selector_api.store.store import Store
from tests.promises.logs import rows_of, view_of
from tests.store.dumps import CONFIG, load
from tests.store.helpers import POOL, RUN, outcomes, report, select

pytestmark = pytest.mark.anyio

_NEVER = 2**53
RELEASES = sorted((Path(__file__).parent.parent / "fixtures").glob("store-*.json"))


@pytest.fixture(params=RELEASES, ids=lambda path: path.stem)
async def written(request: pytest.FixtureRequest, redis: StoreClient) -> dict[str, Any]:
    """The data of an earlier release, which is in Redis now, and what that release answered from it."""
    content = json.loads(request.param.read_text())
    counts = content["view"]["selections"]
    counts["released"] = counts["expired"]  # what it is called since
    await load(redis, content["keys"])
    # The lease of its open selection has long ended: it shall be found as it was left.
    leases = run_keys(RUN).leases
    for selection in await redis.execute_command("ZRANGE", leases, 0, -1):
        await redis.execute_command("ZADD", leases, "XX", _NEVER, selection)
    return content


def as_told_then(now: Any, then: Any) -> Any:
    """Of what is told now that which an earlier release told, too: later ones tell more."""
    if isinstance(then, dict):
        return {name: as_told_then(now[name], value) for name, value in then.items()}
    if isinstance(then, list):
        return [as_told_then(*pair) for pair in zip(now, then, strict=True)]
    return now


def test_there_is_data_of_an_earlier_release() -> None:
    assert RELEASES


@pytest.mark.parametrize("snapshot", [True, False], ids=["snapshot and tail", "whole log"])
async def test_a_run_of_an_earlier_release_goes_on(
    store: Store, written: dict[str, Any], snapshot: bool
) -> None:
    assert (await store.snapshots.newest(RUN)) is not None
    if not snapshot:
        await store.redis.delete(run_keys(RUN).snapshot)
    live_run = await store.live_runs.of(RUN)
    assert as_told_then(await live_run.read(view_of), written["view"]) == written["view"]
    assert as_told_then(await live_run.read(rows_of), written["posteriors"]) == written["posteriors"]

    again = await select(store, 4, "step-2", explain=True)
    assert again.replayed
    assert (await store.logs.report(RUN, again.selection, outcomes(again.tasks))).duplicates == 4
    assert (await store.logs.report_unsolicited(RUN, "away", outcomes(["math3"]))).accepted == 0
    selection = await select(store, 4)
    receipt = await report(store, selection, selection.tasks)
    assert (receipt.committed, receipt.step) == (True, written["view"]["step"] + 1)


async def test_a_run_of_an_earlier_release_is_found_by_its_configuration(
    store: Store, written: dict[str, Any]
) -> None:
    before = await store.redis.execute_command("LLEN", run_keys(RUN).log)
    assert not await store.runs.create(RUN, CONFIG)
    with pytest.raises(RunConflict):
        await store.runs.create(RUN, replace(CONFIG, seed=8))
    assert (await store.runs.find(RUN)).config == CONFIG
    assert await store.redis.execute_command("LLEN", run_keys(RUN).log) == before


async def test_a_run_of_an_earlier_release_goes_on_with_a_posterior_that_learns(
    store: Store, written: dict[str, Any]
) -> None:
    fork = Fork(RUN)
    await store.forks.create("learned", RunConfig(pool=POOL, posterior=Rasch(), fork=fork), fork)
    live_run = await store.live_runs.of("learned")
    state = await live_run.copy()
    assert state.step == written["view"]["step"]
    assert state.config.posterior == Rasch(("strong", "weak"), 16)
    seen = state.table.ids(state.posterior.individuals())
    assert set(seen) == {row["task"] for row in written["posteriors"] if row["last_step"] is not None}
    assert set(state.capability_by_domain().values()) != {None}


async def test_a_token_of_an_earlier_release_is_taken(store: Store, written: dict[str, Any]) -> None:
    token = await store.tokens.lookup(written["token"])
    assert token is not None
    assert (token.name, token.scopes) == ("trainer", frozenset({"train"}))


async def test_a_log_of_a_later_release_is_refused(store: Store, written: dict[str, Any]) -> None:
    keys = run_keys(RUN)
    selection = await select(store, 4)
    await store.redis.hset(keys.meta, "version", "3")
    before = await store.redis.execute_command("LRANGE", keys.log, 0, -1)
    for call in (
        select(store),
        report(store, selection, selection.tasks),
        store.logs.report_unsolicited(RUN, "from-elsewhere", outcomes(["math3"])),
        (await store.live_runs.of(RUN)).read(view_of),
        store.runs.delete(RUN),
    ):
        with pytest.raises(UnreadableData, match=r"^log version 3 .* \(this is version 2\): use the release"):
            await call
    assert await store.redis.execute_command("LRANGE", keys.log, 0, -1) == before


async def test_a_log_whose_beginning_is_of_a_later_release_is_refused(
    store: Store, written: dict[str, Any]
) -> None:
    keys = run_keys(RUN)
    created = await store.redis.execute_command("LINDEX", keys.log, 0)
    await store.redis.execute_command("LSET", keys.log, 0, created.replace(b'"version":1', b'"version":3'))
    await store.redis.delete(keys.snapshot)
    with pytest.raises(UnreadableData, match=r"log version 3 .* \(this is version 2\): use the release"):
        await select(store)


async def test_an_event_of_a_later_release_is_refused(store: Store, written: dict[str, Any]) -> None:
    await store.redis.execute_command("RPUSH", run_keys(RUN).log, '{"type":"reset","at":1}')
    with pytest.raises(UnreadableData, match="unknown event 'reset': use the release"):
        await select(store)


async def test_a_snapshot_of_a_later_release_is_left_alone_and_the_log_read_instead(
    store: Store, written: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = run_keys(RUN).snapshot
    (data,) = await store.redis.read_fields(snapshot, "data")
    assert data is not None
    later = data.replace(b"bots-snapshot 1\n", b"bots-snapshot 4\n", 1)
    await store.redis.hset(snapshot, "data", later)
    live_run = await store.live_runs.of(RUN)
    with caplog.at_level(logging.WARNING):
        assert as_told_then(await live_run.read(view_of), written["view"]) == written["view"]
    assert (
        "snapshot of format b'bots-snapshot 4' is not known here (this is b'bots-snapshot 3')" in caplog.text
    )
    assert await store.redis.read_fields(snapshot, "data") == [later]


async def test_tasks_of_a_later_release_are_refused(store: Store, written: dict[str, Any]) -> None:
    tasks = pool_keys(POOL).tasks
    chunk = await store.redis.execute_command("LINDEX", tasks, 0)
    await store.redis.execute_command(
        "LSET", tasks, 0, chunk.replace(b"bots-tasks 1\n", b"bots-tasks 3\n", 1)
    )
    with pytest.raises(UnreadableData, match="chunk of tasks of format b'bots-tasks 3' is not known here"):
        await select(store)
