import asyncio

import pytest

from selector_api.core.config import RunConfig
from selector_api.core.policies import EasyToHard, Random
from selector_api.core.posteriors.bots import Bots
from selector_api.core.posteriors.interpolation import Interpolation
from selector_api.store.errors import (
    RunConflict,
    TaskNotInSelection,
    UnknownDomain,
    UnknownPool,
    UnknownReference,
    UnknownRun,
    UnknownSelection,
    UnknownTask,
)
from selector_api.store.keys import pool_keys, run_keys
from selector_api.store.log import Bookmark, Reported
from selector_api.store.runs import Run
from selector_api.store.snapshots import Snapshot
from selector_api.store.store import Store
from tests.store.helpers import (
    POOL,
    RUN,
    end_lease,
    make_run,
    notice_ended_leases,
    outcomes,
    read_events,
    read_types,
    report,
    select,
    task_rows,
)

pytestmark = pytest.mark.anyio

CONFIG = RunConfig(pool=POOL, seed=3)


async def make_pool(store: Store, tasks: int = 10) -> None:
    await store.pools.create(POOL)
    await store.pools.add_tasks(POOL, task_rows(tasks, weak=0.0, strong=1.0))


# --- creation and deletion ---


async def test_a_run_is_created_once_and_begins_its_log(store: Store, other_store: Store) -> None:
    await make_pool(store)
    assert await store.runs.create(RUN, CONFIG)
    assert not await other_store.runs.create(RUN, CONFIG)
    (event,) = await read_events(store)
    assert event["type"] == "created"
    assert event["at"] > 1_700_000_000_000
    assert (event["seq"], event["version"], event["run"], event["tasks"]) == (1, 2, RUN, 10)
    assert RunConfig.from_dict(event["config"]) == CONFIG
    run = await other_store.runs.find(RUN)
    assert (run.config, run.tasks, run.pool) == (CONFIG, 10, POOL)


async def test_another_configuration_is_a_conflict(store: Store) -> None:
    await make_pool(store)
    await store.runs.create(RUN, CONFIG)
    with pytest.raises(RunConflict):
        await store.runs.create(RUN, RunConfig(pool=POOL, seed=4))
    assert (await store.runs.find(RUN)).config == CONFIG
    assert await read_types(store) == ["created"]


async def test_a_creation_whose_reply_was_lost_is_told_as_new(store: Store) -> None:
    await make_pool(store)
    pool = await store.pools.register(POOL, RUN)
    for _ in range(2):  # the second call is what the connection sends again
        status, _ = await store.runs._create(RUN, "0123456789abcdef", CONFIG, pool.incarnation, pool.tasks)
        assert status == b"created"
    assert await read_types(store) == ["created"]


async def test_runs_created_at_the_same_time_are_one(store: Store, other_store: Store) -> None:
    await make_pool(store)
    stores = [store, other_store] * 4
    created = await asyncio.gather(*(one.runs.create(RUN, CONFIG) for one in stores))
    assert sum(created) == 1
    assert await read_types(store) == ["created"]


async def test_a_run_needs_its_pool(store: Store) -> None:
    with pytest.raises(UnknownPool):
        await store.runs.create(RUN, CONFIG)


@pytest.mark.parametrize(
    ("config", "error", "name"),
    [
        (RunConfig(POOL, posterior=Bots(implicit=Interpolation("weak", "other"))), UnknownReference, "other"),
        (RunConfig(POOL, policy=Random({"default": 0.5, "maths": 0.5})), UnknownDomain, "maths"),
    ],
)
async def test_names_that_the_pool_does_not_know_are_refused(
    store: Store, config: RunConfig, error: type[UnknownReference | UnknownDomain], name: str
) -> None:
    await make_pool(store)
    with pytest.raises(error, match=name):
        await store.runs.create(RUN, config)
    with pytest.raises(UnknownRun):
        await store.runs.find(RUN)
    await store.pools.delete(POOL)


async def test_tasks_added_while_a_run_is_being_created_join_it(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_pool(store)
    create = store.runs._create

    async def create_late(*args) -> tuple[bytes, bytes]:
        await other_store.pools.add_tasks(POOL, task_rows(5, "new"))
        return await create(*args)

    monkeypatch.setattr(store.runs, "_create", create_late)
    await store.runs.create(RUN, CONFIG)
    assert [event["tasks"] for event in await read_events(store)] == [10, 15]


@pytest.mark.parametrize("made_anew", [False, True])
async def test_a_run_is_not_left_behind_when_its_pool_is_deleted_while_it_is_created(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch, made_anew: bool
) -> None:
    await make_pool(store)
    create = store.runs._create

    async def create_late(*args) -> tuple[bytes, bytes]:
        await other_store.pools.delete(POOL)
        if made_anew:
            await other_store.pools.create(POOL)
        return await create(*args)

    monkeypatch.setattr(store.runs, "_create", create_late)
    with pytest.raises(UnknownPool):
        await store.runs.create(RUN, CONFIG)
    assert not await store.redis.exists(*run_keys(RUN))


async def test_a_deleted_run_is_gone_and_its_name_free(store: Store) -> None:
    await make_run(store)
    selection = await select(store, key="k")
    await store.runs.delete(RUN)
    assert not await store.redis.exists(*run_keys(RUN))
    for call in (
        store.runs.find(RUN),
        store.runs.delete(RUN),
        store.logs.report(RUN, selection.selection, outcomes(selection.tasks)),
        store.logs.report_unsolicited(RUN, "k", outcomes(["t0"])),
        select(store, key="k"),
    ):
        with pytest.raises(UnknownRun):
            await call
    assert await store.runs.create(RUN, RunConfig(POOL, policy=EasyToHard()))
    assert (await select(store, key="k")).selection != selection.selection
    with pytest.raises(UnknownSelection):
        await store.logs.report(RUN, selection.selection, outcomes(selection.tasks))


async def test_deleting_a_run_does_not_strike_out_one_that_is_made_at_the_same_time(
    store: Store, other_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_run(store)
    forget = store.pools.forget

    async def forget_late(pool: str, registrations: dict[str, str]) -> None:
        await other_store.runs.create(RUN, RunConfig(POOL))
        await forget(pool, registrations)

    monkeypatch.setattr(store.pools, "forget", forget_late)
    await store.runs.delete(RUN)
    assert await store.redis.hexists(pool_keys(POOL).runs, RUN)
    await other_store.pools.add_tasks(POOL, task_rows(2, "new"))
    assert await read_types(store) == ["created", "grown"]


# --- reports ---


async def test_a_full_report_commits_its_selection_in_the_selections_order(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 4)
    answer = await report(store, selection, reversed(selection.tasks), successes=0.1)
    assert answer == Reported(accepted=4, duplicates=0, remaining=0, committed=True, step=1)
    event = (await read_events(store))[-1]
    assert (event["type"], event["reason"], event["step"]) == ("committed", "complete", 1)
    assert event["selection"] == selection.selection
    assert event["outcomes"] == [{"task": task, "successes": 0.1, "trials": 2} for task in selection.tasks]


async def test_outcomes_reach_the_log_bit_for_bit(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 3)
    values = [0.1 + 0.2, 5e-324, 2 - 2**-52]
    for task, value in zip(selection.tasks, values, strict=True):
        await report(store, selection, [task], successes=value)
    event = (await read_events(store))[-1]
    assert [outcome["successes"] for outcome in event["outcomes"]] == values


async def test_parts_are_committed_once_when_the_last_is_there(store: Store, other_store: Store) -> None:
    await make_run(store)
    selection = await select(store, 4)
    first = await report(store, selection, selection.tasks[:3])
    assert first == Reported(accepted=3, duplicates=0, remaining=1, committed=False, step=0)
    assert await read_types(store) == ["created", "selected"]
    last = await report(other_store, selection, selection.tasks[2:])
    assert last == Reported(accepted=1, duplicates=1, remaining=0, committed=True, step=1)
    assert await read_types(store) == ["created", "selected", "committed"]


async def test_the_first_outcome_of_a_task_stands(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 2)
    one, two = selection.tasks
    await report(store, selection, [one], successes=2.0)
    again = await report(store, selection, [one, two, two], successes=1.0)
    assert (again.accepted, again.duplicates) == (1, 2)
    event = (await read_events(store))[-1]
    assert [outcome["successes"] for outcome in event["outcomes"]] == [2.0, 1.0]


@pytest.mark.parametrize("final", [False, True])
async def test_a_report_sent_again_changes_nothing(store: Store, final: bool) -> None:
    await make_run(store)
    selection = await select(store, 4)
    tasks = selection.tasks[:2] if final else selection.tasks
    first = await report(store, selection, tasks, final=final)
    log = await read_events(store)
    for successes in (1.0, 2.0):
        again = await report(store, selection, tasks, successes, final=final)
        assert again == Reported(0, len(tasks), first.remaining, True, 1)
    assert await read_events(store) == log


async def test_final_commits_what_is_there(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 4)
    await report(store, selection, selection.tasks[:1])
    answer = await report(store, selection, [], final=True)
    assert answer == Reported(accepted=0, duplicates=0, remaining=3, committed=True, step=1)
    event = (await read_events(store))[-1]
    assert (event["reason"], len(event["outcomes"])) == ("final", 1)


async def test_final_with_nothing_reported_releases_the_selection(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 4)
    for _ in range(2):
        answer = await report(store, selection, [], final=True)
        assert answer == Reported(accepted=0, duplicates=0, remaining=4, committed=False, step=0)
    event = (await read_events(store))[-1]
    assert await read_types(store) == ["created", "selected", "released"]
    assert (event["selection"], event["reason"]) == (selection.selection, "final")


async def test_late_outcomes_are_commits_of_their_own(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 4)
    tasks = selection.tasks
    await report(store, selection, tasks[:1], final=True)
    answer = await report(store, selection, [tasks[2], tasks[0], tasks[1]])
    assert answer == Reported(accepted=2, duplicates=1, remaining=1, committed=True, step=2)
    assert (await report(store, selection, tasks)).step == 3
    assert await report(store, selection, tasks) == Reported(0, 4, 0, True, 3)
    commits = [event for event in await read_events(store) if event["type"] == "committed"]
    assert [event["reason"] for event in commits] == ["final", "late", "late"]
    assert [[one["task"] for one in event["outcomes"]] for event in commits] == [
        tasks[:1],
        tasks[1:3],
        tasks[3:],
    ]


async def test_a_completely_counted_selection_leaves_no_outcomes_behind(store: Store) -> None:
    await make_run(store)
    for reports in ([slice(None)], [slice(0, 2), slice(2, 4)]):
        selection = await select(store, 4)
        for part in reports:
            await report(store, selection, selection.tasks[part])
    selection = await select(store, 2)
    await report(store, selection, selection.tasks[:1], final=True)
    assert await store.redis.hlen(run_keys(RUN).outcomes) == 1
    await report(store, selection, selection.tasks)
    assert not await store.redis.exists(run_keys(RUN).outcomes)


async def test_a_report_with_a_foreign_task_changes_nothing_and_names_it(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 4)
    with pytest.raises(TaskNotInSelection) as caught:
        await report(store, selection, [*selection.tasks, "stränge"])
    assert caught.value.task == "stränge"
    assert await read_types(store) == ["created", "selected"]
    assert (await report(store, selection, [])).remaining == 4


@pytest.mark.parametrize("selection", ["", "s1-00000000", 's1"', "s1:t0", "\x00"])
async def test_an_unknown_selection_is_refused(store: Store, selection: str) -> None:
    await make_run(store)
    await select(store)
    with pytest.raises(UnknownSelection):
        await store.logs.report(RUN, selection, outcomes(["t0"]))


async def test_task_ids_of_any_characters_are_kept_apart(store: Store) -> None:
    ids = ["a:b", 's1-x:"', "\\u0041", "A", "\x00\n", "ünï😀", "{}", "%d", "a" * 256]
    await store.pools.create(POOL)
    rows = task_rows(len(ids))
    await store.pools.add_tasks(POOL, type(rows)(ids, rows.domains, rows.references))
    await store.runs.create(RUN, RunConfig(POOL))
    selection = await select(store, len(ids))
    for task in ids:
        assert (await report(store, selection, [task])).accepted == 1
    event = (await read_events(store))[-1]
    assert [outcome["task"] for outcome in event["outcomes"]] == selection.tasks
    assert sorted(selection.tasks) == sorted(ids)


async def test_a_batch_of_many_thousands_is_reported_at_once(store: Store) -> None:
    await make_run(store, tasks=20_000, policy=Random())
    selection = await select(store, 20_000)
    assert await report(store, selection, selection.tasks) == Reported(20_000, 0, 0, True, 1)


# --- leases ---


async def test_a_selection_is_leased_for_the_configured_time(store: Store) -> None:
    await make_run(store, lease_seconds=12.5)
    selection = await select(store)
    event = (await read_events(store))[-1]
    assert event["expires_at"] == selection.expires_at == event["at"] + 12_500


async def test_a_lease_that_ends_with_nothing_reported_is_released(store: Store) -> None:
    await make_run(store)
    selection = await select(store)
    await end_lease(store, selection)
    await notice_ended_leases(store)
    event = (await read_events(store))[-1]
    assert (event["type"], event["reason"]) == ("released", "lease")
    await notice_ended_leases(store)
    assert await read_types(store) == ["created", "selected", "released"]


async def test_a_lease_that_ends_with_something_reported_is_committed(store: Store) -> None:
    await make_run(store)
    selection = await select(store)
    await report(store, selection, selection.tasks[2:])
    await end_lease(store, selection)
    await notice_ended_leases(store)
    event = (await read_events(store))[-1]
    assert (event["type"], event["reason"], event["step"]) == ("committed", "lease", 1)
    assert [outcome["task"] for outcome in event["outcomes"]] == selection.tasks[2:]


async def test_what_is_reported_after_the_lease_is_late_even_if_nobody_noticed_its_end(store: Store) -> None:
    await make_run(store)
    selection = await select(store)
    await report(store, selection, selection.tasks[:1])
    await end_lease(store, selection)
    answer = await report(store, selection, selection.tasks)
    assert answer == Reported(accepted=3, duplicates=1, remaining=0, committed=True, step=2)
    assert [event.get("reason") for event in (await read_events(store))[2:]] == ["lease", "late"]


async def test_a_released_selection_still_takes_outcomes(store: Store) -> None:
    await make_run(store)
    selection = await select(store)
    await end_lease(store, selection)
    answer = await report(store, selection, selection.tasks)
    assert answer == Reported(accepted=4, duplicates=0, remaining=0, committed=True, step=1)
    assert await read_types(store) == ["created", "selected", "released", "committed"]


async def test_leases_end_in_their_order(store: Store) -> None:
    await make_run(store, tasks=12)
    selections = [await select(store) for _ in range(3)]
    for selection, at in zip(selections, (2, 3, 1), strict=True):
        await end_lease(store, selection, at)
    await notice_ended_leases(store)
    released = [event["selection"] for event in await read_events(store) if event["type"] == "released"]
    assert released == [selections[index].selection for index in (2, 0, 1)]


async def test_a_committed_selection_has_no_lease(store: Store) -> None:
    await make_run(store)
    selection = await select(store)
    await report(store, selection, selection.tasks)
    assert not await store.redis.exists(run_keys(RUN).leases)


# --- outcomes without a selection ---


async def test_outcomes_without_a_selection_are_counted_once_for_their_key(
    store: Store, other_store: Store
) -> None:
    await make_run(store)
    sent = outcomes(["t3", "t1", "t3"])
    first = await store.logs.report_unsolicited(RUN, 'eval "1"', sent)
    assert first == Reported(accepted=2, duplicates=1, remaining=0, committed=True, step=1)
    again = await other_store.logs.report_unsolicited(RUN, 'eval "1"', outcomes(["t3"], successes=0.0))
    assert again == Reported(accepted=0, duplicates=1, remaining=0, committed=True, step=1)
    more = await store.logs.report_unsolicited(RUN, 'eval "1"', outcomes(["t3", "t4"]))
    assert more == Reported(accepted=1, duplicates=1, remaining=0, committed=True, step=2)
    assert (await store.logs.report_unsolicited(RUN, "eval 2", sent)).step == 3
    event = (await read_events(store))[1]
    assert (event["selection"], event["key"], event["reason"]) == (None, 'eval "1"', "unsolicited")
    assert [outcome["task"] for outcome in event["outcomes"]] == ["t3", "t1"]


async def test_keys_of_selections_and_of_reports_do_not_meet(store: Store) -> None:
    await make_run(store)
    await select(store, key="k")
    assert (await store.logs.report_unsolicited(RUN, "k", outcomes(["t0"]))).accepted == 1


async def test_outcomes_without_a_selection_must_be_of_the_runs_tasks(store: Store) -> None:
    await make_run(store)
    with pytest.raises(UnknownTask) as caught:
        await store.logs.report_unsolicited(RUN, "k", outcomes(["t0", "stranger"]))
    assert caught.value.task == "stranger"
    assert await read_types(store) == ["created"]


# --- snapshots ---


async def places_in_log(store: Store, run: Run, events: int) -> list[Bookmark]:
    """The places behind the first events of the run's log, of which selections make as many as asked for."""
    for _ in range(events - 1):
        await select(store, 1)
    stretch = await store.logs.read(run, Bookmark(0))
    assert stretch is not None
    places = [Bookmark(0)]
    for event in stretch.events:
        places.append(places[-1].after([event]))
    return places


async def test_the_newest_snapshot_is_kept(store: Store) -> None:
    await make_run(store, tasks=30)
    run = await store.runs.find(RUN)
    places = await places_in_log(store, run, 7)
    for seq, data in ((5, b"five"), (3, b"three"), (5, b"other five"), (7, b"seven"), (6, b"six")):
        await store.snapshots.save(run, places[seq], data)
    assert await store.snapshots.newest(RUN) == Snapshot(run.incarnation, places[7], b"seven")


async def test_a_snapshot_of_a_log_that_went_on_differently_is_not_kept(store: Store) -> None:
    await make_run(store, tasks=30)
    run = await store.runs.find(RUN)
    places = await places_in_log(store, run, 3)
    await store.snapshots.save(run, Bookmark(3, places[2].digest), b"of another log")
    assert await store.snapshots.newest(RUN) is None


async def test_a_snapshot_of_a_deleted_run_is_not_kept(store: Store) -> None:
    await make_run(store)
    run = await store.runs.find(RUN)
    place = (await places_in_log(store, run, 1))[1]
    await store.runs.delete(RUN)
    await store.snapshots.save(run, place, b"one")
    assert await store.snapshots.newest(RUN) is None
    await store.runs.create(RUN, RunConfig(POOL))
    await store.snapshots.save(run, place, b"one")
    assert await store.snapshots.newest(RUN) is None
