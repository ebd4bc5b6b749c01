import random

import pytest

from selector_api.core.config import Commit, EveryOutcomes, RunConfig
from selector_api.core.policies import Random
from selector_api.core.task_rows import TaskRows
from selector_api.store.codec import Drop
from selector_api.store.keys import run_keys
from selector_api.store.receipts import Reported
from selector_api.store.refusals import TaskNotInSelection, UnknownSelection, UnknownTask
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
    rows,
    select,
)

pytestmark = pytest.mark.anyio

# --- reports ---


async def test_a_full_report_commits_its_selection_in_the_selections_order(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 4)
    answer = await report(store, selection, reversed(selection.tasks), successes=0.1)
    assert answer == Reported(accepted=4, duplicates=0, remaining=0, committed=True, step=1)
    event = (await read_events(store))[-1]
    assert (event["type"], event["reason"], event["step"]) == ("committed", "complete", 1)
    assert event["selection"] == selection.selection
    assert event["outcomes"] == {selection.selection: [[place, 0.1, 2] for place in range(4)]}
    assert event["closes"] == [selection.selection]


async def test_outcomes_reach_the_log_bit_for_bit(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 3)
    values = [0.1 + 0.2, 5e-324, 2 - 2**-52]
    for task, value in zip(selection.tasks, values, strict=True):
        await report(store, selection, [task], successes=value)
    event = (await read_events(store))[-1]
    assert [successes for _, successes, _ in rows(event)] == values


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
    assert (again.accepted, again.duplicates, again.differing) == (1, 1, 1)
    assert again.differing_tasks == (one,)
    event = (await read_events(store))[-1]
    assert rows(event) == [[0, 2, 2], [1, 1, 2]]


@pytest.mark.parametrize("final", [False, True])
async def test_a_report_sent_again_changes_nothing(store: Store, final: bool) -> None:
    await make_run(store)
    selection = await select(store, 4)
    tasks = selection.tasks[:2] if final else selection.tasks
    first = await report(store, selection, tasks, final=final)
    log = await read_events(store)
    again = await report(store, selection, tasks, final=final)
    assert again == Reported(0, len(tasks), first.remaining, True, 1)
    other = await report(store, selection, tasks, 2.0, final=final)
    assert other == Reported(0, 0, first.remaining, True, 1, len(tasks), 0, tuple(tasks))
    assert await read_events(store) == log


async def test_final_commits_what_is_there(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 4)
    await report(store, selection, selection.tasks[:1])
    answer = await report(store, selection, [], final=True)
    assert answer == Reported(accepted=0, duplicates=0, remaining=3, committed=True, step=1)
    event = (await read_events(store))[-1]
    assert (event["reason"], len(rows(event))) == ("final", 1)


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
    assert [[place for place, *_ in rows(event)] for event in commits] == [[0], tasks[1:3], tasks[3:]]


@pytest.mark.parametrize("commit", ["selection", EveryOutcomes(1), EveryOutcomes(2), EveryOutcomes(9)])
@pytest.mark.parametrize("reported", [0, 2])
async def test_what_was_left_out_and_is_dropped_later_is_one_drop_whose_reason_is_known(
    store: Store, commit: Commit, reported: int
) -> None:
    await make_run(store, commit=commit)
    selection = await select(store, 4)
    *told, late, silent = selection.tasks
    await report(store, selection, told[:reported], final=True)
    live_run = await store.live_runs.of(RUN)
    counted = (await live_run.copy()).dropped
    answer = await store.logs.report(RUN, selection.selection, [Drop(late, "timeout")])
    assert (answer.dropped, answer.duplicates) == (1, 0)
    state = await live_run.copy()
    assert state.dropped == counted == 4 - reported
    assert state.drops == {"left out": 3 - reported, "timeout": 1}
    *_, dropped = state.history.tallies.of_tasks(state.table.find([late, silent]))
    assert dropped.tolist() == [1, 1]
    again = await store.logs.report(RUN, selection.selection, [Drop(late, "timeout")])
    assert (again.dropped, again.duplicates) == (0, 1)
    answer = await report(store, selection, [silent])
    assert answer.accepted == 1, "an outcome counts all the same"


async def test_a_drop_of_a_selection_whose_lease_has_ended_is_one(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 4)
    await store.logs.release(RUN, selection.selection)
    await store.logs.report(RUN, selection.selection, [Drop(selection.tasks[0], "timeout")])
    state = await (await store.live_runs.of(RUN)).copy()
    assert (state.dropped, state.drops) == (1, {"timeout": 1})


async def test_a_completely_counted_selection_leaves_no_outcomes_behind(store: Store) -> None:
    await make_run(store)
    for reports in ([slice(None)], [slice(0, 2), slice(2, 4)]):
        selection = await select(store, 4)
        for part in reports:
            await report(store, selection, selection.tasks[part])
    selection = await select(store, 2)
    await report(store, selection, selection.tasks[:1], final=True)
    await report(store, selection, selection.tasks)
    assert not await store.redis.exists(run_keys(RUN).outcomes)


async def test_a_report_with_a_foreign_task_changes_nothing_and_names_it(store: Store) -> None:
    await make_run(store)
    selection = await select(store, 4)
    with pytest.raises(TaskNotInSelection) as caught:
        await report(store, selection, [*selection.tasks, "stränge"])
    assert caught.value.name == "stränge"
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
    await store.pools.add_tasks(POOL, TaskRows.of(ids, [None] * len(ids), [{}] * len(ids)))
    await store.runs.create(RUN, RunConfig(POOL))
    selection = await select(store, len(ids))
    for task in ids:
        assert (await report(store, selection, [task])).accepted == 1
    event = (await read_events(store))[-1]
    assert [place for place, *_ in rows(event)] == list(range(len(ids)))
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
    assert [place for place, *_ in rows(event)] == [2, 3]


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
    again = await other_store.logs.report_unsolicited(RUN, 'eval "1"', outcomes(["t3"]))
    assert again == Reported(accepted=0, duplicates=1, remaining=0, committed=True, step=1)
    other = await other_store.logs.report_unsolicited(RUN, 'eval "1"', outcomes(["t3"], successes=0.0))
    assert other == Reported(0, 0, 0, True, 1, differing=1, differing_tasks=("t3",))
    more = await store.logs.report_unsolicited(RUN, 'eval "1"', outcomes(["t3", "t4"]))
    assert more == Reported(accepted=1, duplicates=1, remaining=0, committed=True, step=2)
    assert (await store.logs.report_unsolicited(RUN, "eval 2", sent)).step == 3
    event = (await read_events(store))[1]
    assert (event["selection"], event["key"], event["reason"]) == (None, 'eval "1"', "unsolicited")
    assert [task for task, *_ in rows(event)] == ["t3", "t1"]


async def test_keys_of_selections_and_of_reports_do_not_meet(store: Store) -> None:
    await make_run(store)
    await select(store, key="k")
    assert (await store.logs.report_unsolicited(RUN, "k", outcomes(["t0"]))).accepted == 1


async def test_an_evaluation_and_a_training_report_of_one_key_both_count(
    store: Store, other_store: Store
) -> None:
    """`step-5` is the natural key of both."""
    await make_run(store)
    evaluated = await store.logs.report_unsolicited(RUN, "step-5", outcomes(["t1"]), evaluation=True)
    assert evaluated == Reported(accepted=1, duplicates=0, remaining=0, committed=False, step=0)
    for sent in (["t1"], ["t2"]):
        trained = await other_store.logs.report_unsolicited(RUN, "step-5", outcomes(sent, successes=2.0))
        assert (trained.accepted, trained.differing, trained.committed) == (1, 0, True)
    evaluated = await store.logs.report_unsolicited(RUN, "step-5", outcomes(["t1", "t2"]), evaluation=True)
    assert evaluated == Reported(accepted=1, duplicates=1, remaining=0, committed=False, step=2)
    trained = await store.logs.report_unsolicited(RUN, "step-5", outcomes(["t1"]))
    assert (trained.accepted, trained.differing, trained.committed) == (0, 1, True)
    assert await read_types(store) == ["created", "observed", "committed", "committed", "observed"]


async def test_outcomes_without_a_selection_must_be_of_the_runs_tasks(store: Store) -> None:
    await make_run(store)
    with pytest.raises(UnknownTask) as caught:
        await store.logs.report_unsolicited(RUN, "k", outcomes(["t0", "stranger"]))
    assert caught.value.name == "stranger"
    assert await read_types(store) == ["created"]


async def test_the_numbers_of_reports_are_noted_with_what_they_tell(store: Store) -> None:
    """In any order, again and again: what a receipt tells is which of them Redis has."""
    await make_run(store)
    selection = await select(store)
    task, *_ = outcomes(selection.tasks)
    assert (await store.logs.report(RUN, selection.selection, [task])).place is None
    outbox, lowest = "", 1
    for seed in range(20):
        chance = random.Random(seed)
        outbox, taken, lowest = f"{seed:032x}", set[int](), 1
        for _ in range(30):
            number = chance.randint(lowest, lowest + 30)
            lowest += chance.choice([0, 0, 0, 3])
            if chance.random() < 0.5:
                told = await store.logs.report(
                    RUN, selection.selection, [task], outbox=f"{outbox} {number} {lowest}"
                )
            else:
                told = await store.logs.report_unsolicited(
                    RUN, "k", [task], outbox=f"{outbox} {number} {lowest}"
                )
            taken.add(number)
            assert told.place is not None
            assert told.place.number == number
            held = [one for first, last in told.place.taken for one in range(first, last + 1)]
            assert held == sorted(set(held)), seed
            assert {one for one in held if one >= lowest} == {one for one in taken if one >= lowest}, seed
            assert set(held) <= taken, seed
            ends = [end for stretch in told.place.taken for end in stretch]
            assert all(after - before > 1 for before, after in zip(ends[1::2], ends[2::2], strict=False)), (
                seed
            )
    with pytest.raises(UnknownSelection):
        await store.logs.report(RUN, "nope", [task], outbox=f"{outbox} 999 {lowest}")
    after = await store.logs.report(RUN, selection.selection, [task], outbox=f"{outbox} 1001 {lowest}")
    assert after.place is not None
    assert after.place.taken[-1] == (1001, 1001)


async def test_what_is_noted_of_an_outbox_is_bounded(store: Store) -> None:
    """Whatever a client asks for; its own take one stretch, as long as nothing is refused."""
    await make_run(store)
    run = await store.runs.find(RUN)
    outbox = "0" * 32
    many = ",".join(f"{number}-{number}" for number in range(2, 4_002, 2))
    await store.redis.execute_command("HSET", run_keys(RUN).meta, f"reports:{outbox}", many)
    told = await store.logs.report_unsolicited(RUN, "k", outcomes(["t0"]), outbox=f"{outbox} 5000 1")
    assert told.place is not None
    assert (len(told.place.taken), told.place.taken[0], told.place.taken[-1]) == (2_000, (4, 4), (5000, 5000))
    assert told.place.incarnation == run.incarnation
