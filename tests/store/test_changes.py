"""Changes of a run while it goes on: its configuration, and which tasks it draws."""

from __future__ import annotations

import asyncio

import pytest

from selector_api.core.config import EveryOutcomes, RunChange
from selector_api.core.policies.random import Random
from selector_api.core.policies.thompson import Thompson
from selector_api.store.changes import Excluded
from selector_api.store.refusals import UnknownDomain, UnknownRun, UnknownTask
from selector_api.store.store import Store
from tests.store.executed import executed_again
from tests.store.helpers import (
    POOL,
    RUN,
    make_run,
    outcomes,
    read_events,
    read_types,
    report,
    select,
    task_rows,
)

pytestmark = pytest.mark.anyio


async def test_a_run_goes_on_as_it_is_told(store: Store, other_store: Store) -> None:
    await make_run(store)
    await select(other_store, 1)
    await store.changes.configure(RUN, RunChange(policy=Random(), lease_seconds=60.0))
    for each in (store, other_store):
        config = (await (await each.live_runs.of(RUN)).copy()).config
        assert (config.policy, config.lease_seconds) == (Random(), 60.0)
        assert (await each.runs.find(RUN)).config == config
    assert await read_types(store) == ["created", "selected", "configured"]


async def test_what_is_so_already_changes_nothing_and_only_the_rest_is_noted(store: Store) -> None:
    await make_run(store)
    await store.changes.configure(RUN, RunChange(policy=Thompson(), share_leased=False))
    assert await read_types(store) == ["created"]
    await store.changes.configure(RUN, RunChange(policy=Thompson(), share_leased=True))
    event = (await read_events(store))[-1]
    assert {name: event[name] for name in event if name not in ("type", "at")} == {"share_leased": True}


async def test_changes_by_callers_at_once_are_all_taken(store: Store, other_store: Store) -> None:
    await make_run(store)
    changes = (
        RunChange(policy=Random()),
        RunChange(lease_seconds=60.0),
        RunChange(share_leased=True),
        RunChange(commit=EveryOutcomes(2)),
    )
    await asyncio.gather(
        *(
            each.changes.configure(RUN, change)
            for change, each in zip(changes, [store, other_store] * 2, strict=True)
        )
    )
    config = (await store.runs.find(RUN)).config
    assert (config.policy, config.lease_seconds, config.share_leased, config.commit) == (
        Random(),
        60.0,
        True,
        EveryOutcomes(2),
    )
    assert (await read_types(store)).count("configured") == 4


async def test_what_waits_enters_when_commits_change(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 4)
    await report(store, selection, selection.tasks[:3])
    await store.changes.configure(RUN, RunChange(commit=EveryOutcomes(2)))
    live_run = await store.live_runs.of(RUN)
    assert (await live_run.copy()).step == 1
    await store.changes.configure(RUN, RunChange(commit="selection"))
    assert (await live_run.copy()).step == 2
    assert (await report(store, selection, selection.tasks)).step == 3


async def test_a_change_that_names_what_is_not_there_changes_nothing(store: Store) -> None:
    await make_run(store)
    with pytest.raises(UnknownDomain, match="'mth'"):
        await store.changes.configure(RUN, RunChange(policy=Random(domains={"mth": 1.0})))
    with pytest.raises(UnknownTask, match="'tusk'"):
        await store.changes.exclude(RUN, ["t1", "tusk"], "excluded")
    with pytest.raises(UnknownRun):
        await store.changes.configure("nobody", RunChange(share_leased=True))
    with pytest.raises(UnknownRun):
        await store.changes.exclude("nobody", ["t1"], "excluded")
    assert await read_types(store) == ["created"]


@pytest.mark.parametrize("call", ["exclude", "report"])
async def test_a_run_grows_by_tasks_of_its_pool_that_are_named(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """An import that is interrupted leaves them in the pool; an event with one could not be folded before."""

    async def interrupted(*args: object) -> None:
        raise ConnectionError

    await make_run(store, 10)
    # Loads the run: who does so later completes what was interrupted.
    await store.changes.exclude(RUN, ["t0"], "included")
    with monkeypatch.context() as patch:
        patch.setattr(store.pools, "grow", interrupted)
        with pytest.raises(ConnectionError):
            await store.pools.add_tasks(POOL, task_rows(12))
    assert len(await store.pools.table(POOL)) == 12
    with pytest.raises(UnknownTask, match="'tusk'"):
        await store.logs.report_unsolicited(RUN, "key", outcomes(["t11", "tusk"]))
    assert await read_types(store) == ["created"]
    if call == "exclude":
        assert await store.changes.exclude(RUN, ["t10"], "excluded") == Excluded(
            1, 1
        )  # the first behind the run's
        assert await read_types(store) == ["created", "grown", "excluded"]
    else:
        assert (await store.logs.report_unsolicited(RUN, "key", outcomes(["t11"]))).accepted == 1
        assert await read_types(store) == ["created", "grown", "committed"]
    assert (await (await store.live_runs.of(RUN)).copy()).size == 12


async def test_excluded_tasks_are_drawn_by_no_process_until_they_are_included(
    store: Store, other_store: Store
) -> None:
    await make_run(store)
    assert await store.changes.exclude(RUN, ["t1", "t2", "t1"], "excluded") == Excluded(2, 2)
    assert await other_store.changes.exclude(RUN, ["t2", "t3"], "excluded") == Excluded(1, 3)
    assert await store.changes.exclude(RUN, ["t3"], "excluded") == Excluded(0, 3)
    drawn = (await (await other_store.live_runs.of(RUN)).select(7)).event["tasks"]
    assert sorted(drawn) == ["t0", *(f"t{number}" for number in range(4, 10))]
    assert await other_store.changes.exclude(RUN, ["t1", "t0"], "included") == Excluded(1, 2)
    assert (await (await store.live_runs.of(RUN)).select(1)).event["tasks"] == ["t1"]
    assert (await read_types(store)).count("excluded") == 2


async def test_an_exclusion_that_is_executed_late_does_not_undo_what_came_after_it(store: Store) -> None:
    await make_run(store)
    with executed_again(store, "exclude") as late:
        await store.changes.exclude(RUN, ["t1"], "excluded")
    assert await store.changes.exclude(RUN, ["t1"], "included") == Excluded(1, 0)
    await late()
    assert await read_types(store) == ["created", "excluded", "included"]
    assert len((await select(store, 10)).tasks) == 10


async def test_a_configuration_that_is_executed_late_does_not_undo_what_came_after_it(store: Store) -> None:
    await make_run(store, lease_seconds=60.0)
    with executed_again(store, "configure") as late:
        await store.changes.configure(RUN, RunChange(lease_seconds=90.0))
    await late()  # what is so already
    await store.changes.configure(RUN, RunChange(lease_seconds=60.0))
    await late()
    assert (await store.runs.find(RUN)).config.lease_seconds == 60.0
    assert await read_types(store) == ["created", "configured", "configured"]


async def test_an_exclusion_whose_reply_was_lost_counts_once(store: Store) -> None:
    await make_run(store)
    with executed_again(store, "exclude", at_once=True):
        done = await store.changes.exclude(RUN, ["t1", "t2"], "excluded")
    assert done.excluded == 2
    assert await read_types(store) == ["created", "excluded"]
