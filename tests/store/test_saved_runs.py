"""A saved run that is put into a store folds to the state that it had."""

from __future__ import annotations

from itertools import chain

import pytest

from bots.view_demo import made_runs
from selector_api.core.insight import insight
from selector_api.store import saved_runs
from selector_api.store.saved_runs import put
from selector_api.store.store import Store
from tests.core.runs import fold_all
from tests.store.helpers import POOL, make_run, read_events, report, select
from tests.store.test_forks import fork, same_state

pytestmark = pytest.mark.anyio


async def test_a_run_that_is_put_there_is_read_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_runs, "_AT_ONCE", 7)
    monkeypatch.setattr(saved_runs, "_TASKS_AT_ONCE", 100)
    name, events, table = next(iter(made_runs(steps=6)))
    log = list(events)
    grown = {"type": "grown", "tasks": len(table), "chunks": 99, "seq": 4}
    await put(store, name, [log[0], grown, *log[1:]], table)
    expected = fold_all(log, table)
    live_run = await store.live_runs.of(name)
    state = await live_run.copy()
    assert insight(state, 50) == insight(expected, 50)
    glance = await store.runs.glance(name)
    assert glance is not None
    assert (glance.step, glance.last_commit_at) == (6, log[-1]["at"])
    assert await store.names.runs() == [name]


async def test_a_run_that_was_only_made_is_put_there_too(store: Store) -> None:
    name, events, table = next(iter(made_runs(steps=0)))
    await put(store, name, events, table)
    glance = await store.runs.glance(name)
    assert glance is not None
    assert (glance.step, glance.last_commit_at) == (0, None)


async def test_a_fork_is_put_there_with_its_parents_evidence(store: Store) -> None:
    await make_run(store)
    await report(store, selection := await select(store, 3), selection.tasks)
    expected = await fork(store, "new")
    log, table = await read_events(store, "new"), await store.pools.table(POOL)
    await put(store, "shown", log, table)
    same_state(await (await store.live_runs.of("shown")).copy(), expected)
    assert (await store.runs.find("shown")).config == expected.config


@pytest.mark.parametrize("first", [[], [{"type": "grown", "tasks": 1}]])
async def test_what_does_not_begin_with_a_run_is_refused(
    store: Store, first: list[dict[str, object]]
) -> None:
    _, events, table = next(iter(made_runs(steps=1)))
    with pytest.raises(ValueError, match="does not begin"):
        await put(store, "r", chain(first, list(events)[1:] if first else []), table)
