"""What a pool retires no run draws, also when Redis has lost a part of what was retired and restored."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from selector_api.core.config import RunConfig
from selector_api.store import retirements
from selector_api.store.keys import pool_keys, run_keys
from selector_api.store.refusals import UnknownPool, UnknownTask
from selector_api.store.retirements import Retired
from selector_api.store.scripts import Scripts
from selector_api.store.store import Store
from tests.store.helpers import POOL, RUN, make_run, read_events, read_types, task_rows

pytestmark = pytest.mark.anyio


async def retire(store: Store, *tasks: str) -> Retired:
    return await store.retirements.retire(POOL, tasks, "excluded")


async def restore(store: Store, *tasks: str) -> Retired:
    return await store.retirements.retire(POOL, tasks, "included")


async def lose(store: Store, entries: int) -> None:
    """Redis loses what was retired and restored last, and the runs keep that they have followed it."""
    assert await store.redis.execute_command("RPOP", pool_keys(POOL).retirements, entries)


async def withheld(store: Store, run: str = RUN) -> list[str]:
    state = await (await store.live_runs.of(run)).copy()
    return state.table.ids(state.withheld.tasks)


async def test_what_is_retired_is_drawn_by_no_run_until_it_is_restored(
    store: Store, other_store: Store
) -> None:
    await make_run(store)
    assert await retire(store, "t1", "t2", "t1") == Retired(2, 2)
    assert await retire(other_store, "t2", "t3") == Retired(1, 3)
    await other_store.runs.create("late", RunConfig(pool=POOL))
    for run in (RUN, "late"):
        assert await withheld(store, run) == ["t1", "t2", "t3"]
        assert await withheld(other_store, run) == ["t1", "t2", "t3"]
    assert await restore(store, "t2", "t5") == Retired(1, 2)
    assert await store.retirements.retired(POOL) == {"t1", "t3"}
    drawn = (await (await other_store.live_runs.of("late")).select(8)).event["tasks"]
    assert sorted(drawn) == ["t0", "t2", *(f"t{number}" for number in range(4, 10))]


async def test_what_is_so_already_changes_nothing(store: Store) -> None:
    await make_run(store)
    await retire(store, "t1")
    assert await retire(store, "t1") == Retired(0, 1)
    assert await restore(store, "t2") == Retired(0, 1)
    assert await read_types(store) == ["created", "excluded"]


async def test_what_is_not_there_is_refused_and_nothing_is_retired(store: Store) -> None:
    await make_run(store)
    with pytest.raises(UnknownTask, match="'tusk'"):
        await retire(store, "t1", "tusk")
    assert await store.retirements.retired(POOL) == set()
    with pytest.raises(UnknownPool):
        await store.retirements.retire("nowhere", ["t1"], "excluded")


async def test_a_call_that_is_made_again_completes_one_that_was_interrupted(store: Store) -> None:
    await make_run(store)
    assert await withheld(store) == []
    await store.redis.rpush(pool_keys(POOL).retirements, '{"excluded":["t4"]}')
    assert await withheld(store) == []
    assert await retire(store, "t4") == Retired(0, 1)
    assert await withheld(store) == ["t4"]


async def test_a_list_that_was_cut_and_went_on_otherwise_is_followed(store: Store) -> None:
    await make_run(store)
    await retire(store, "t1")
    await retire(store, "t2")
    await lose(store, 1)
    await retire(store, "t3")
    assert await store.retirements.retired(POOL) == {"t1", "t3"}
    assert await withheld(store) == ["t1", "t3"]
    assert {tuple(event.get("tasks", ())) for event in (await read_events(store))[-2:]} == {("t2",), ("t3",)}


async def test_a_list_of_which_the_middle_is_another_is_followed(store: Store) -> None:
    await make_run(store)
    await retire(store, "t1")
    await retire(store, "t2")
    await lose(store, 2)
    await store.redis.rpush(pool_keys(POOL).retirements, '{"excluded":["t4"]}', '{"excluded":["t2"]}')
    await restore(store, "t0")
    assert await withheld(store) == ["t2", "t4"]


@pytest.mark.parametrize("left", [0, 1])
async def test_a_list_that_was_cut_is_followed_though_nothing_is_retired_after_it(
    store: Store, left: int
) -> None:
    await make_run(store)
    await retire(store, "t1")
    await retire(store, "t2")
    await lose(store, 2 - left)
    await restore(store, "t9")
    assert await withheld(store) == ["t1"][:left]


async def test_what_the_run_itself_excludes_stays_when_a_list_is_followed_anew(store: Store) -> None:
    await make_run(store)
    await store.changes.exclude(RUN, ["t2", "t5"], "excluded")
    await retire(store, "t2")
    await lose(store, 1)
    await retire(store, "t3")
    assert await withheld(store) == ["t2", "t3", "t5"]
    await store.changes.exclude(RUN, ["t2"], "included")
    assert await withheld(store) == ["t3", "t5"]


async def test_a_run_that_an_earlier_version_let_follow_goes_on(store: Store) -> None:
    await make_run(store)
    await retire(store, "t1")
    await store.redis.hset(run_keys(RUN).meta, "retirements", "1")
    await retire(store, "t1")
    assert await read_types(store) == ["created", "excluded"]
    await retire(store, "t2")
    assert await withheld(store) == ["t1", "t2"]


async def test_the_list_is_read_and_hashed_beside_the_loop(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has all that was ever retired and restored."""
    places: dict[str, set[str]] = {}

    def watched(name: str) -> Callable[..., Any]:
        function = getattr(retirements, name)

        def noted(*args: Any) -> Any:
            places.setdefault(name, set()).add(threading.current_thread().name.rpartition("_")[0])
            return function(*args)

        return noted

    for name in ("_mark", "_retired", "_in_force"):
        monkeypatch.setattr(retirements, name, watched(name))
    await make_run(store)
    await retire(store, "t1", "t2")
    await lose(store, 1)
    await retire(store, "t3")
    assert await store.retirements.retired(POOL) == {"t3"}
    assert await withheld(store) == ["t3"]
    assert places == {name: {"bots-worker"} for name in ("_mark", "_retired", "_in_force")}


async def test_a_run_follows_each_entry_once_however_often_it_is_told(store: Store) -> None:
    await make_run(store)
    await retire(store, "t1")
    (incarnation,) = await store.redis.read_fields(run_keys(RUN).meta, "pool_incarnation")
    assert incarnation is not None
    event = ("excluded", '"by":"pool","tasks":["t1"]')
    for followed in ("0", "1:elsewhere"):
        again = (incarnation.decode(), 10, followed, "2:any", *event)
        assert await Scripts(store.redis).run("retire", run_keys(RUN), *again) == 0
    assert await read_types(store) == ["created", "excluded"]


async def test_tasks_that_the_run_has_not_yet_join_before_they_are_retired(store: Store) -> None:
    await make_run(store)
    runs = await store.redis.read_hash(pool_keys(POOL).runs)
    await store.redis.delete(pool_keys(POOL).runs)  # as if the import had been interrupted
    await store.pools.add_tasks(POOL, task_rows(1, "late"))
    await store.redis.hset(pool_keys(POOL).runs, mapping={**runs})
    await retire(store, "late0")
    assert await read_types(store) == ["created", "grown", "excluded"]
    assert await withheld(store) == ["late0"]
